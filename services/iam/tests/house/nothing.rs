//! A substrate that runs nothing.

use std::net::{SocketAddrV4, TcpListener};
use std::time::Duration;

use async_trait::async_trait;
use futures_core::stream::BoxStream;
use haar_substrate::{
    Capabilities, Exit, OutputChunk, SandboxId, SandboxSpec, SandboxStatus, Stats, Substrate,
    SubstrateError, WarmTemplate,
};

pub struct Nothing;

fn gone<T>(id: &SandboxId) -> Result<T, SubstrateError> {
    Err(SubstrateError::Gone(id.clone()))
}

#[async_trait]
impl Substrate for Nothing {
    async fn ensure(&self, spec: SandboxSpec) -> Result<SandboxStatus, SubstrateError> {
        gone(&spec.id)
    }

    async fn remove(&self, _id: &SandboxId, _grace: Duration) -> Result<(), SubstrateError> {
        Ok(())
    }

    async fn list(&self) -> Result<Vec<SandboxStatus>, SubstrateError> {
        Ok(Vec::new())
    }

    async fn listener(
        &self,
        id: &SandboxId,
        _address: SocketAddrV4,
    ) -> Result<TcpListener, SubstrateError> {
        gone(id)
    }

    async fn wait(&self, id: &SandboxId, _container: &str) -> Result<Exit, SubstrateError> {
        gone(id)
    }

    async fn output(
        &self,
        id: &SandboxId,
        _container: &str,
    ) -> Result<BoxStream<'static, OutputChunk>, SubstrateError> {
        gone(id)
    }

    async fn signal(
        &self,
        id: &SandboxId,
        _container: &str,
        _signal: i32,
    ) -> Result<(), SubstrateError> {
        gone(id)
    }

    async fn freeze(&self, id: &SandboxId, _frozen: bool) -> Result<(), SubstrateError> {
        gone(id)
    }

    async fn stats(&self, id: &SandboxId) -> Result<Stats, SubstrateError> {
        gone(id)
    }

    async fn reset_peak(&self, id: &SandboxId) -> Result<(), SubstrateError> {
        gone(id)
    }

    async fn prepare(&self, _templates: Vec<(WarmTemplate, usize)>) -> Result<(), SubstrateError> {
        Ok(())
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }
}
