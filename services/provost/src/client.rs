//! Where the services are, and a stub for each of their gRPC services.
//!
//! The rule that must hold: one address serves everything (the embedded suite) unless an address is
//! given for a service by name; several addresses for the same are those of its replicas.

use crate::failure::Failure;
use provost_contract::fulfillment::v1::connection_service_client::ConnectionServiceClient;
use provost_contract::fulfillment::v1::dispatch_service_client::DispatchServiceClient;
use provost_contract::fulfillment::v1::manual_provisioning_service_client::ManualProvisioningServiceClient;
use provost_contract::fulfillment::v1::order_service_client::OrderServiceClient;
use provost_contract::generator::v1::assignment_service_client::AssignmentServiceClient;
use provost_contract::generator::v1::catalog_service_client::CatalogServiceClient;
use provost_contract::generator::v1::explain_service_client::ExplainServiceClient;
use provost_contract::generator::v1::job_service_client::JobServiceClient;
use provost_contract::generator::v1::order_generator_service_client::OrderGeneratorServiceClient;
use provost_contract::generator::v1::reconciliation_service_client::ReconciliationServiceClient;
use provost_contract::generator::v1::repository_service_client::RepositoryServiceClient;
use provost_contract::generator::v1::synchronization_service_client::SynchronizationServiceClient;
use provost_contract::review::v1::review_service_client::ReviewServiceClient;
use provost_service_kit::caller::request_as;
use provost_service_kit::{Addresses, Replicas, server::MESSAGE_BYTES_MAX};
use std::fmt;
use tonic::{Request, Response, Status};

/// Where the embedded suite listens unless told otherwise.
pub const DEFAULT_ADDRESS: &str = "http://127.0.0.1:7400";

/// The services that the client calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Catalog, repository, assignments, jobs.
    OrderGenerator,
    /// The ledger.
    Fulfillment,
    /// Decisions.
    Review,
}

impl Service {
    const ALL: [Self; 3] = [Self::OrderGenerator, Self::Fulfillment, Self::Review];

    /// The service of this name, or of its short name.
    fn named(name: &str) -> Option<Self> {
        let name = if name == "generator" { "order-generator" } else { name };
        Self::ALL.into_iter().find(|service| service.name() == name)
    }

    /// Its name, as `--server NAME=ADDRESS` takes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OrderGenerator => "order-generator",
            Self::Fulfillment => "fulfillment",
            Self::Review => "review",
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One `--server`: an address for everything, or for one service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerArgument {
    /// None: for every service that has no address of its own.
    pub service: Option<Service>,
    /// A URI.
    pub address: String,
}

impl std::str::FromStr for ServerArgument {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (service, address) = match text.split_once('=') {
            None => (None, text),
            Some((name, address)) => {
                let service = Service::named(name.trim());
                let known = Service::ALL.map(Service::name).join(", ");
                (Some(service.ok_or_else(|| format!("there is no service '{name}'; there are {known}"))?), address)
            }
        };
        let address = match address.trim() {
            "" => return Err("an address is missing, for example http://127.0.0.1:7400".to_owned()),
            address if address.contains("://") => address.to_owned(),
            address => format!("http://{address}"),
        };
        channel_to_be(&address)?;
        Ok(Self { service, address })
    }
}

fn channel_to_be(address: &str) -> Result<(), String> {
    let uri: http::Uri = address.parse().map_err(|_| format!("'{address}' is not an address"))?;
    match (uri.scheme_str(), uri.authority()) {
        (Some("http" | "https"), Some(_)) => Ok(()),
        _ => Err(format!("'{address}' is not an address; write for example http://127.0.0.1:7400")),
    }
}

/// Stubs for everything, in the name of one actor.
#[derive(Clone)]
pub struct Clients {
    actor: String,
    channels: [(Service, String, Replicas); 3],
}

macro_rules! stub {
    ($(#[doc = $doc:literal] $name:ident: $stub:ident at $service:ident;)*) => {
        $(
            #[doc = $doc]
            pub fn $name(&self) -> $stub<Replicas> {
                $stub::new(self.channel(Service::$service))
                    .max_decoding_message_size(MESSAGE_BYTES_MAX)
                    .max_encoding_message_size(MESSAGE_BYTES_MAX)
            }
        )*
    };
}

impl Clients {
    /// Stubs for these addresses. Nothing is connected before the first call.
    ///
    /// # Errors
    /// When an address is none. Must be called inside a runtime.
    pub fn new(servers: &[ServerArgument], actor: impl Into<String>) -> Result<Self, Failure> {
        let channel = |service: Service| {
            let of = |service: Option<Service>| {
                let named = servers.iter().filter(move |server| server.service == service);
                named.map(|server| server.address.as_str()).collect::<Vec<_>>()
            };
            let (own, any) = (of(Some(service)), of(None));
            let found = [own, any, vec![DEFAULT_ADDRESS]].into_iter().find(|found| !found.is_empty());
            let addresses = Addresses::from(found.unwrap_or_default().join(","));
            Ok::<_, Failure>((service, addresses.to_string(), Replicas::at(&addresses)?))
        };
        let [generator, fulfillment, review] = Service::ALL;
        Ok(Self { actor: actor.into(), channels: [channel(generator)?, channel(fulfillment)?, channel(review)?] })
    }

    stub! {
        /// Catalogs.
        catalog: CatalogServiceClient at OrderGenerator;
        /// Jobs.
        jobs: JobServiceClient at OrderGenerator;
        /// Computing, planning, generating.
        generator: OrderGeneratorServiceClient at OrderGenerator;
        /// Synchronized resources.
        repository: RepositoryServiceClient at OrderGenerator;
        /// Who has what.
        assignments: AssignmentServiceClient at OrderGenerator;
        /// What was found, and what people decide on it.
        reconciliation: ReconciliationServiceClient at OrderGenerator;
        /// Why, and why not.
        explanations: ExplainServiceClient at OrderGenerator;
        /// Synchronizations.
        synchronizations: SynchronizationServiceClient at OrderGenerator;
        /// The ledger.
        orders: OrderServiceClient at Fulfillment;
        /// What people write by hand.
        manual: ManualProvisioningServiceClient at Fulfillment;
        /// Agents.
        dispatch: DispatchServiceClient at Fulfillment;
        /// What holds the orders of connections.
        connections: ConnectionServiceClient at Fulfillment;
        /// Reviews.
        reviews: ReviewServiceClient at Review;
    }

    /// In whose name.
    pub fn actor(&self) -> &str {
        &self.actor
    }

    /// The message as a request in the actor's name.
    pub fn request<T>(&self, message: T) -> Request<T> {
        request_as(&self.actor, message)
    }

    /// The answer, or the refusal with the service that gave it.
    ///
    /// # Errors
    /// The refusal.
    pub fn answer<T>(&self, service: Service, result: Result<Response<T>, Status>) -> Result<T, Failure> {
        result.map(Response::into_inner).map_err(|status| self.refused(service, status))
    }

    /// A refusal, with the service that gave it.
    pub fn refused(&self, service: Service, status: Status) -> Failure {
        let known = self.channels.iter().find(|(of, _, _)| *of == service);
        let address = known.map(|(_, address, _)| address.clone()).unwrap_or_default();
        Failure::Call { service, address, status: Box::new(status) }
    }

    fn channel(&self, service: Service) -> Replicas {
        let [generator, fulfillment, review] = &self.channels;
        let (_, _, channel) = match service {
            Service::OrderGenerator => generator,
            Service::Fulfillment => fulfillment,
            Service::Review => review,
        };
        channel.clone()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn addresses_are_for_all_or_for_one() {
        let all: ServerArgument = "127.0.0.1:7400".parse().unwrap();
        assert_eq!(all, ServerArgument { service: None, address: "http://127.0.0.1:7400".into() });
        let one: ServerArgument = "review=https://review.example:443".parse().unwrap();
        assert_eq!(one.service, Some(Service::Review));
        assert_eq!(one.address, "https://review.example:443");
        for name in ["generator", "order-generator"] {
            let one: ServerArgument = format!("{name}=http://127.0.0.1:7401").parse().unwrap();
            assert_eq!(one.service, Some(Service::OrderGenerator), "{name}");
        }
    }

    #[test]
    fn wrong_addresses_say_what_would_be_right() {
        for (text, part) in [
            ("reviews=http://127.0.0.1:1", "there are order-generator, fulfillment, review"),
            ("review=", "an address is missing"),
            ("not an address", "is not an address"),
            ("ftp://127.0.0.1", "write for example"),
        ] {
            let error = text.parse::<ServerArgument>().unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[tokio::test]
    async fn service_with_its_own_address_uses_it() {
        let servers = ["http://127.0.0.1:1", "fulfillment=http://127.0.0.1:2"].map(|text| text.parse().unwrap());
        let clients = Clients::new(&servers, "ada").unwrap();
        let addresses: Vec<_> = clients.channels.iter().map(|(_, address, _)| address.as_str()).collect();
        assert_eq!(addresses, ["http://127.0.0.1:1", "http://127.0.0.1:2", "http://127.0.0.1:1"]);
        let two = ["review=http://127.0.0.1:1", "review=http://127.0.0.1:2"].map(|text| text.parse().unwrap());
        let replicas = Clients::new(&two, "ada").unwrap();
        let addresses: Vec<_> = replicas.channels.iter().map(|(_, address, _)| address.as_str()).collect();
        assert_eq!(addresses, [DEFAULT_ADDRESS, DEFAULT_ADDRESS, "http://127.0.0.1:1, http://127.0.0.1:2"]);
        let request = clients.request(());
        assert_eq!(request.metadata().get("x-provost-actor").unwrap(), "ada");
    }
}
