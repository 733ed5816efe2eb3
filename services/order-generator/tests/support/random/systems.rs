//! What becomes of orders: written, failed, reviewed, cancelled.
//!
//! The rule that must hold: the same becomes of the same orders on all sides.

use super::Dice;
use crate::support::side::Side;
use provost_domain::{Event, OrderId};

/// One of the orders that are the same on both sides, by its place.
fn chosen(dice: &mut Dice, of: [Vec<OrderId>; 2]) -> Option<[OrderId; 2]> {
    assert_eq!(of[0].len(), of[1].len(), "both sides have the same orders");
    let place = dice.below(of[0].len());
    Some([*of[0].get(place)?, *of[1].get(place)?])
}

fn name(side: &Side, id: OrderId) -> String {
    side.suite.ledger.read(|orders| {
        let held = orders.iter().find(|held| held.order.id == id).unwrap();
        format!("the {} of {} '{}'", held.order.kind, held.order.resource_type, held.order.target_key)
    })
}

/// Something happens to orders; the connectors that may show it.
pub fn happens(dice: &mut Dice, sides: [&Side; 2]) -> (String, Vec<&'static str>) {
    let both = |ids: [OrderId; 2], event: &Event| {
        sides.iter().zip(ids).for_each(|(side, id)| side.suite.ledger.happen(id, event));
    };
    match dice.below(10) {
        0 | 1 => {
            let Some(ids) = chosen(dice, sides.map(Side::reviewed)) else { return ("nothing".into(), vec![]) };
            let event = [Event::Approved, Event::Approved, Event::Declined][dice.below(3)].clone();
            let told = format!("{} is reviewed: {}", name(sides[0], ids[0]), event.name());
            both(ids, &event);
            (told, vec![])
        }
        2 => {
            let open = sides.map(|side| [side.pending(), side.reviewed()].concat());
            let Some(ids) = chosen(dice, open) else { return ("nothing".into(), vec![]) };
            let told = format!("{} is cancelled", name(sides[0], ids[0]));
            both(ids, &Event::Cancelled);
            (told, vec![])
        }
        3 => {
            let Some(ids) = chosen(dice, sides.map(Side::pending)) else { return ("nothing".into(), vec![]) };
            let told = format!("{} fails", name(sides[0], ids[0]));
            sides.iter().zip(ids).for_each(|(side, id)| side.suite.ledger.fail(id, "no room"));
            (told, vec![])
        }
        4 => {
            // Written, and nobody sees it: the system said so and did not do it.
            let Some(ids) = chosen(dice, sides.map(Side::pending)) else { return ("nothing".into(), vec![]) };
            let told = format!("{} is reported to be executed, and is not", name(sides[0], ids[0]));
            sides.iter().zip(ids).for_each(|(side, id)| side.suite.ledger.execute(id));
            (told, if dice.once_in(2) { vec!["app", "vault"] } else { vec![] })
        }
        share => {
            let pending = sides.map(due);
            assert_eq!(pending[0].len(), pending[1].len(), "both sides have the same orders");
            let places: Vec<usize> = (0..pending[0].len()).filter(|_| share > 7 || dice.below(3) > 0).collect();
            let told: Vec<String> = places.iter().map(|place| name(sides[0], pending[0][*place])).collect();
            for (side, pending) in sides.iter().zip(&pending) {
                places.iter().for_each(|place| side.execute(pending[*place]));
            }
            let read = if dice.below(3) > 0 { vec!["app", "vault"] } else { vec![] };
            (format!("executed: {}", told.join(", ")), read)
        }
    }
}

/// What an agent may write: pending, and waiting for nothing.
fn due(side: &Side) -> Vec<OrderId> {
    let waits = side.suite.ledger.waiting();
    side.pending().into_iter().filter(|id| !waits.contains(id)).collect()
}

/// Everything that can be written is written, and seen.
pub fn settle(side: &Side) {
    for _ in 0..20 {
        for id in side.reviewed() {
            side.suite.ledger.happen(id, &Event::Approved);
        }
        let due = due(side);
        if due.is_empty() {
            return;
        }
        due.into_iter().for_each(|id| side.execute(id));
    }
}
