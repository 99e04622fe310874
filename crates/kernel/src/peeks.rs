//! How rooms read each other's facts.

use std::any::{Any, TypeId, type_name};
use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::RwLock;

/// The rooms' peek traits, by trait. Filled once, when haar is wired; read ever after.
#[derive(Clone, Default)]
pub struct Peeks {
    by_trait: Arc<RwLock<BTreeMap<TypeId, Arc<dyn Any + Send + Sync>>>>,
}

impl std::fmt::Debug for Peeks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Peeks({})", self.by_trait.read().len())
    }
}

impl Peeks {
    /// Offers a room's peek: `peeks.offer::<dyn IamPeek>(room)`.
    pub fn offer<P: ?Sized + Send + Sync + 'static>(&self, peek: Arc<P>) {
        self.by_trait.write().insert(TypeId::of::<P>(), Arc::new(peek));
    }

    /// Finds a neighbour's peek, if that neighbour is in this haar.
    pub fn get<P: ?Sized + Send + Sync + 'static>(&self) -> Option<Arc<P>> {
        self.by_trait.read().get(&TypeId::of::<P>())?.downcast_ref::<Arc<P>>().cloned()
    }

    /// Finds a neighbour's peek that the wiring always offers.
    ///
    /// # Panics
    /// When the wiring forgot it: a bug that the first start shows.
    pub fn expect<P: ?Sized + Send + Sync + 'static>(&self) -> Arc<P> {
        self.get().unwrap_or_else(|| panic!("nobody offers {}", type_name::<P>()))
    }
}
