//! What waits for a decision, over everybody.
//!
//! The rule that must hold: confidential values are left out.

use crate::generator::Generator;
use crate::model::catalog::Catalog;
use crate::model::decision::Decision;
use crate::model::found::{Item, Kind};
use crate::store::found_items::Filter;
use crate::store::{decisions, found_items};
use provost_contract::Violations;
use provost_service_kit::Fault;

/// One line of the list.
pub(crate) struct Line {
    pub(crate) item: Item,
    /// Its values must not be shown.
    pub(crate) is_sensitive: bool,
    /// What was decided on it last.
    pub(crate) decision: Option<Decision>,
}

/// A page of what waits, and the token of the next one.
///
/// # Errors
/// [`provost_service_kit::FaultKind::InvalidInput`] for a wrong page token.
pub(crate) async fn list(
    generator: &Generator,
    filter: &Filter,
    size: u64,
    page_token: &str,
) -> Result<(Vec<Line>, String), Fault> {
    let after = position_of(page_token)?;
    let connection = generator.database.read();
    let found = found_items::list(connection, filter, &after, size).await?;
    let is_full = found.len() as u64 >= size;
    let next = found.last().filter(|_| is_full).map(|(position, _)| token_of(position)).unwrap_or_default();
    let ids: Vec<String> = found.iter().map(|(_, item)| item.id()).collect();
    let by_id: Vec<&str> = ids.iter().map(String::as_str).collect();
    let mut decided = decisions::on_items(connection, generator.database.engine(), &by_id).await?;
    let loaded = generator.catalogs.current().await?;
    let catalog = loaded.as_ref().map(|loaded| &*loaded.catalog);
    let line = |((_, item), id): ((String, Item), &String)| Line {
        is_sensitive: is_sensitive(catalog, &item.kind, &item.entity_type, &item.name),
        decision: decided.remove(id),
        item,
    };
    Ok((found.into_iter().zip(&ids).map(line).collect(), next))
}

/// Whether the values of a property must not be shown. What the catalog no longer knows might be sensitive.
pub(crate) fn is_sensitive(catalog: Option<&Catalog>, kind: &Kind, entity_type: &str, property: &str) -> bool {
    if *kind != Kind::Property {
        return false;
    }
    let known = catalog.and_then(|catalog| catalog.entity_type(entity_type)?.property(property));
    known.is_none_or(|property| property.sensitive || property.write_only)
}

fn token_of(position: &str) -> String {
    use base64::Engine as _;
    format!("p{}", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(position))
}

fn position_of(page_token: &str) -> Result<String, Violations> {
    use base64::Engine as _;
    if page_token.is_empty() {
        return Ok(String::new());
    }
    let text = page_token.strip_prefix('p');
    let bytes = text.and_then(|text| base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).ok());
    let position = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    position.ok_or_else(|| Violations::one("page_token", "is not the next_page_token of a page before"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn tokens_go_there_and_back_and_others_are_refused() {
        assert_eq!(position_of(&token_of("Person\u{1f}Ä")).unwrap(), "Person\u{1f}Ä");
        assert_eq!(position_of("").unwrap(), "");
        for wrong in ["x", "n1", "p%%"] {
            assert!(position_of(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_the_catalog_does_not_know_may_be_sensitive() {
        assert!(is_sensitive(None, &Kind::Property, "Account", "title"));
        assert!(!is_sensitive(None, &Kind::Orphan, "Account", ""));
    }
}
