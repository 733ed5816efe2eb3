//! Connectors and their connections.

use super::{Reader, Taken, declaration, suggest, unknown};
use crate::model::catalog::{Connection, Connector, Package};

pub(super) fn connectors(reader: &mut Reader<'_>, declared: Vec<declaration::Connector>) -> Vec<Connector> {
    let (mut names, mut connection_names) = (Taken::default(), Taken::default());
    let mut connectors = Vec::new();
    for connector in declared {
        let is_new = names.take(reader, "connector", &connector.name, "");
        let mut connections = Vec::new();
        for connection in &connector.connections {
            let is_new = connection_names.take(reader, "connection", &connection.name, "");
            let Some(package) = &connection.package else { continue };
            let Some(known) = Package::ALL.into_iter().find(|known| known.name() == package.text) else {
                reader.spoilt.insert(connection.name.text.clone());
                let names = Package::ALL.map(Package::name);
                reader.wrong(
                    &package.place,
                    format!("unknown package '{}'", package.text),
                    suggest::hint(&package.text, names),
                );
                continue;
            };
            if is_new {
                connections.push(Connection { name: connection.name.text.as_str().into(), package: known });
            }
        }
        let export = connector.export.as_ref().and_then(|export| {
            let Some(connection) = connections.iter().find(|connection| *connection.name == *export.text) else {
                let known = connector.connections.iter().map(|connection| connection.name.text.as_str());
                if !known.clone().any(|name| name == export.text) {
                    unknown(reader, "connection", export, &format!(" of connector '{}'", connector.name.text), known);
                }
                return None;
            };
            if !connection.package.exports() {
                let package = connection.package.name();
                let message = format!("connection '{}' cannot export: package {package} only writes", connection.name);
                reader.wrong(&export.place, message, "name a connection whose package reads: csv, sql, ldap");
                return None;
            }
            Some(connection.name.clone())
        });
        if is_new {
            let name: std::sync::Arc<str> = connector.name.text.as_str().into();
            connectors.push(Connector {
                display_name: connector.display_name.map_or_else(|| name.to_string(), |text| text.text),
                name,
                connections,
                export,
                thresholds: connector.thresholds,
            });
        }
    }
    connectors
}
