//! The promises of packages that have only one half: csv reads, manual-ticket hands over.

use crate::harness::{accounts, exported};
use crate::orders::{creation, deletion, hired, set, update};
use provost_agent::package::csv::{Csv, CsvEntity};
use provost_agent::package::manual_ticket::ManualTicket;
use provost_agent::package::{Outcome, Package, RowSender};
use provost_domain::{FailureClass, Order, OrderId, Value};

const HEADER: &str = "title,login,grade,enabled,hired,photo,groups\n";

/// A file of accounts, and the package over it.
struct File {
    folder: tempfile::TempDir,
    package: Csv,
}

impl File {
    fn with(lines: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("accounts.csv");
        std::fs::write(&file, format!("{HEADER}{lines}")).unwrap();
        Self { package: Csv::new([("Account".to_owned(), CsvEntity::new(file))].into()), folder }
    }
}

/// One order of every kind.
fn every_kind() -> [Order; 3] {
    [creation("ada", "Analyst", &["staff"]), update("ada", vec![set("title", Value::from("Head"))]), deletion("ada")]
}

mod csv {
    use super::*;

    #[tokio::test]
    async fn export_asked_twice_says_the_same() {
        let file = File::with("Analyst,Ada B,12,true,2026-03-01T08:00:00Z,/9gA,finance;staff\n,bob,,,,,\n");
        let rows = exported(&file.package, &accounts()).await.unwrap();
        assert_eq!(rows, exported(&file.package, &accounts()).await.unwrap());
        assert_eq!(rows[0][..3], [Some("Analyst".into()), Some("Ada B".into()), Some(Value::Integer(12))]);
        assert_eq!(rows[0][3..5], [Some(Value::Boolean(true)), Some(hired())]);
        assert_eq!(rows[0][6], Some(crate::orders::list(&["finance", "staff"])));
        assert_eq!(rows[1], [None, Some("bob".into()), None, None, None, None, None]);
    }

    #[tokio::test]
    async fn export_of_much_is_complete() {
        let lines: String = (0..620).map(|number| format!("Analyst,user{number},,,,,\n")).collect();
        let rows = exported(&File::with(&lines).package, &accounts()).await.unwrap();
        assert_eq!(rows.len(), 620);
    }

    #[tokio::test]
    async fn export_of_a_wrong_type_names_the_property() {
        let file = File::with("Analyst,ada,high,,,,\n");
        let failure = exported(&file.package, &accounts()).await.unwrap_err();
        assert_eq!(failure.class, FailureClass::InvalidValue);
        assert!(failure.message.contains("grade") && failure.message.contains("'high'"), "{failure}");
    }

    #[tokio::test]
    async fn export_of_an_unknown_entity_type_is_refused() {
        let mut entity = accounts();
        entity.name = "Mailbox".into();
        let failure = exported(&File::with("").package, &entity).await.unwrap_err();
        assert_eq!(failure.class, FailureClass::InvalidValue);
        assert!(failure.message.contains("'Mailbox'"), "{failure}");
    }

    #[tokio::test]
    async fn export_stops_when_nobody_reads() {
        let (sender, receiver) = RowSender::channel(1);
        drop(receiver);
        assert!(File::with("Analyst,ada,,,,,\n").package.export(&accounts(), &sender).await.is_err());
    }

    #[tokio::test]
    async fn absent_file_fails_export_and_check_until_it_is_back() {
        let file = File::with("Analyst,ada,,,,,\n");
        let (at, aside) = (file.folder.path().join("accounts.csv"), file.folder.path().join("aside.csv"));
        std::fs::rename(&at, &aside).unwrap();
        assert!(exported(&file.package, &accounts()).await.is_err());
        assert!(file.package.check().await.is_err());
        std::fs::rename(&aside, &at).unwrap();
        assert_eq!(exported(&file.package, &accounts()).await.unwrap().len(), 1);
        assert!(file.package.check().await.unwrap().contains("7 columns"));
    }

    #[tokio::test]
    async fn orders_of_every_kind_are_refused_and_the_file_stays() {
        let file = File::with("Analyst,ada,,,,,\n");
        for order in every_kind() {
            let outcome = file.package.fulfill(&order).await;
            assert!(
                matches!(&outcome, Outcome::Failed(failure) if failure.class == FailureClass::Refused && !failure.hint.is_empty()),
                "{outcome:?}"
            );
        }
        let content = std::fs::read_to_string(file.folder.path().join("accounts.csv")).unwrap();
        assert_eq!(content, format!("{HEADER}Analyst,ada,,,,,\n"));
    }
}

mod manual_ticket {
    use super::*;

    #[tokio::test]
    async fn orders_of_every_kind_asked_twice_have_one_ticket() {
        for order in every_kind() {
            let first = ManualTicket.fulfill(&order).await;
            assert!(matches!(&first, Outcome::HandedOver { ticket } if ticket.starts_with("MT-")), "{first:?}");
            assert_eq!(ManualTicket.fulfill(&order).await, first);
        }
    }

    #[tokio::test]
    async fn other_orders_have_other_tickets() {
        let order = creation("ada", "Analyst", &[]);
        let other = Order { id: OrderId::new(uuid::Uuid::from_u128(8)), ..order.clone() };
        assert_ne!(ManualTicket.fulfill(&order).await, ManualTicket.fulfill(&other).await);
    }

    #[tokio::test]
    async fn export_is_refused_and_the_check_passes() {
        let failure = exported(&ManualTicket, &accounts()).await.unwrap_err();
        assert_eq!(failure.class, FailureClass::Refused);
        assert!(failure.message.contains("'Account'") && !failure.hint.is_empty(), "{failure}");
        assert!(ManualTicket.check().await.is_ok());
    }
}
