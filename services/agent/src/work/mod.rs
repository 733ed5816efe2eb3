//! The loops: pull orders, write them, renew their leases, report what became of them; poll export
//! tasks, read, upload.

pub(crate) mod execute;
pub(crate) mod export;
#[cfg(test)]
mod interrupted;
mod patience;
pub(crate) mod pull;
pub(crate) mod renew;
pub(crate) mod report;
mod upload;
