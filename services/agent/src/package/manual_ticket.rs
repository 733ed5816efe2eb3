//! The manual-ticket package: a person writes.
//!
//! Handing over means nothing more than saying so: the line in the manual provisioning list is kept
//! by fulfillment. The rule that must hold: one order has one ticket, however often it is handed over.

use super::{Abilities, Entity, Outcome, Package, RowSender, failure};
use async_trait::async_trait;
use failure::Particulars;
use provost_domain::{Failure, Order, OrderId};
use sha2::{Digest, Sha256};

/// Hands orders over to people.
#[derive(Clone, Copy, Debug, Default)]
pub struct ManualTicket;

/// The reference of an order's ticket; short enough to read out on the telephone.
pub fn reference(order: OrderId) -> String {
    let digest = Sha256::digest(order.uuid().as_bytes());
    let digits: String = digest.iter().take(6).map(|byte| format!("{byte:02X}")).collect();
    format!("MT-{digits}")
}

#[async_trait]
impl Package for ManualTicket {
    fn abilities(&self) -> Abilities {
        Abilities { export: false, fulfill: true }
    }

    async fn check(&self) -> Result<String, Failure> {
        Ok("orders are handed over to people; there is nothing to reach".to_owned())
    }

    async fn export(&self, entity: &Entity, _rows: &RowSender) -> Result<(), Failure> {
        let message = format!("cannot export '{}': the manual-ticket package only hands over", entity.name);
        Err(failure::refused(message)
            .with_hint("let the connector read through another connection, for example a csv file of the system"))
    }

    async fn fulfill(&self, order: &Order) -> Outcome {
        Outcome::HandedOver { ticket: reference(order.id) }
    }
}
