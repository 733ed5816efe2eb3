//! gRPC handlers: who calls, what is asked, one call, the answer. No rules and no SQL.

mod connections;
mod dispatch;
#[cfg(test)]
mod interrupted;
mod manual;
mod orders;

pub(crate) use connections::Connections;
pub(crate) use dispatch::Dispatch;
pub(crate) use manual::Manual;
pub(crate) use orders::Orders;
