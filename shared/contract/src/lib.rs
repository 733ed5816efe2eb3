//! The gRPC contract: generated types, the descriptors for reflection, and conversions between
//! the wire and the domain.
//!
//! Leaves every decision to others. The rule that must hold: domain to wire cannot fail; wire to
//! domain names every field that is wrong, all in one answer ([`Violations`]).
#![warn(missing_docs)]

mod convert;
mod json;
mod masked;
mod violations;

pub use convert::{CHANGES_MAX, LIST_ITEMS_MAX, MESSAGE_MAX, NAME_MAX, RETRY_AFTER_MAX, from_wire, to_wire};
pub use json::{json_of, message_of_json};
pub use masked::masked;
pub use violations::{Violation, Violations, cut, printable};

/// The encoded descriptors of the whole contract, for server reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/provost_descriptor.bin"));

/// Messages that several services share: `provost.types.v1`.
pub mod types {
    /// Version 1.
    pub mod v1 {
        #![allow(missing_docs, unreachable_pub, clippy::all)]
        tonic::include_proto!("provost.types.v1");
    }
}

/// The ledger: `provost.fulfillment.v1`.
pub mod fulfillment {
    /// Version 1.
    pub mod v1 {
        #![allow(missing_docs, unreachable_pub, clippy::all)]
        tonic::include_proto!("provost.fulfillment.v1");
    }
}

/// Decisions: `provost.review.v1`.
pub mod review {
    /// Version 1.
    pub mod v1 {
        #![allow(missing_docs, unreachable_pub, clippy::all)]
        tonic::include_proto!("provost.review.v1");
    }
}

/// Role model, repository, jobs: `provost.generator.v1`.
pub mod generator {
    /// Version 1.
    pub mod v1 {
        #![allow(missing_docs, unreachable_pub, clippy::all)]
        tonic::include_proto!("provost.generator.v1");
    }
}

/// The agent's own operator: `provost.agent.v1`.
pub mod agent {
    /// Version 1.
    pub mod v1 {
        #![allow(missing_docs, unreachable_pub, clippy::all)]
        tonic::include_proto!("provost.agent.v1");
    }
}
