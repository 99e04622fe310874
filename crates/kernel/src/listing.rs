//! Lists in pages, as the model's paginators describe them.

use haar_types::hex;
use haar_wire::{Json, OperationSchema, Shape};
use sha2::{Digest as _, Sha256};

use crate::{BadToken, Call, Page, page, read_token};

/// One listing of one caller: where its page begins, how long it may be.
///
/// A token is good for the same listing only: operation, account, region, and all of the
/// input beside token and limit.
#[derive(Clone, Debug)]
pub struct Listing {
    scope: String,
    after: Option<String>,
    limit: usize,
}

impl Listing {
    /// Reads token and limit of an input, as the operation's paginator names them. `usual` and
    /// `most` bound the items of a page.
    ///
    /// # Errors
    /// When the token is not one of this listing.
    pub fn of(
        operation: &'static OperationSchema,
        call: &Call,
        input: &dyn Shape,
        usual: usize,
        most: usize,
    ) -> Result<Self, BadToken> {
        let paging = operation.paginator.as_ref();
        let token = paging.and_then(|paging| paging.input_token.first().copied());
        let names = (token, paging.and_then(|paging| paging.limit_key));
        Self::named(operation, call, input, names, (usual, most))
    }

    /// The same with the names of token and limit, for operations that the model gives none.
    ///
    /// # Errors
    /// As those of [`Self::of`].
    pub fn named(
        operation: &'static OperationSchema,
        call: &Call,
        input: &dyn Shape,
        (token, limit): (Option<&str>, Option<&str>),
        (usual, most): (usize, usize),
    ) -> Result<Self, BadToken> {
        let mut asked = haar_wire::to_json(input);
        let mut take = |member: Option<&str>| asked.as_object_mut()?.remove(member?);
        let (token, limit) = (take(token), take(limit));
        let limit = limit.as_ref().and_then(Json::as_u64).and_then(|limit| limit.try_into().ok());
        let scope = format!(
            "{}.{}/{}/{}/{}",
            operation.service.id,
            operation.name,
            call.account,
            call.region,
            hash(&asked)
        );
        let token = token.as_ref().and_then(Json::as_str).filter(|token| !token.is_empty());
        let after = token.map(|token| read_token(&scope, token)).transpose()?;
        Ok(Self { scope, after, limit: limit.unwrap_or(usual).clamp(1, most) })
    }

    /// The key behind which the page begins; a range may start there.
    pub fn after(&self) -> Option<&str> {
        self.after.as_deref()
    }

    /// Cuts the page out of items in the order of their keys' texts.
    pub fn page<T>(
        &self,
        items: impl IntoIterator<Item = T>,
        key: impl Fn(&T) -> String,
    ) -> Page<T> {
        let seen = |item: &T| self.after.as_ref().is_some_and(|after| key(item) <= *after);
        page(items.into_iter().skip_while(|item| seen(item)), self.limit, &self.scope, &key)
    }
}

/// What a listing asks for, in few letters.
fn hash(asked: &Json) -> String {
    let digest = Sha256::digest(asked.to_string());
    hex(&digest[..8])
}
