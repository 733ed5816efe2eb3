//! A server that is known by its address only: everything else it says itself, by reflection.

use crate::codec::DynamicCodec;
use anyhow::{Context, Result, anyhow, bail};
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor, SerializeOptions};
use prost_types::FileDescriptorProto;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::{AsciiMetadataKey, AsciiMetadataValue};
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status, Streaming};

/// Larger than any message that a server of the suite sends.
const MESSAGE_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Longer than any call of these tests takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// The two versions of the reflection protocol; grpcurl and Python speak the older one.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Version {
    V1,
    V1Alpha,
}

enum Question<'a> {
    Services,
    Symbol(&'a str),
    File(&'a str),
}

/// Service names, or encoded files.
enum Answer {
    Services(Vec<String>),
    Files(Vec<Vec<u8>>),
}

/// The messages of the two versions look alike and are different types.
macro_rules! ask {
    ($version:ident, $channel:expr, $question:expr) => {{
        use pb::server_reflection_request::MessageRequest;
        use pb::server_reflection_response::MessageResponse;
        use tonic_reflection::pb::$version as pb;
        let question = match $question {
            Question::Services => MessageRequest::ListServices(String::new()),
            Question::Symbol(name) => MessageRequest::FileContainingSymbol(name.to_owned()),
            Question::File(name) => MessageRequest::FileByFilename(name.to_owned()),
        };
        let request = pb::ServerReflectionRequest { host: String::new(), message_request: Some(question) };
        let mut client = pb::server_reflection_client::ServerReflectionClient::new($channel);
        let mut answers = client.server_reflection_info(tokio_stream::once(request)).await?.into_inner();
        let answer = answers.message().await?.and_then(|answer| answer.message_response).context("no answer")?;
        match answer {
            MessageResponse::ListServicesResponse(list) => {
                Answer::Services(list.service.into_iter().map(|service| service.name).collect())
            }
            MessageResponse::FileDescriptorResponse(files) => Answer::Files(files.file_descriptor_proto),
            MessageResponse::ErrorResponse(error) => bail!("{}", error.error_message),
            MessageResponse::AllExtensionNumbersResponse(_) => bail!("the answer to another question"),
        }
    }};
}

async fn ask(channel: &Channel, version: Version, question: Question<'_>) -> Result<Answer> {
    Ok(match version {
        Version::V1 => ask!(v1, channel.clone(), question),
        Version::V1Alpha => ask!(v1alpha, channel.clone(), question),
    })
}

/// A server and what it says of itself.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    channel: Channel,
    version: Version,
    files: BTreeMap<String, FileDescriptorProto>,
    pool: DescriptorPool,
    /// The services listed.
    pub(crate) services: Vec<String>,
}

impl Server {
    /// Asks a server, for example `127.0.0.1:7400`, for its services and all their types.
    pub(crate) async fn connect(address: &str, version: Version) -> Result<Self> {
        let channel = Endpoint::from_shared(format!("http://{address}"))?.connect().await?;
        let Answer::Services(services) = ask(&channel, version, Question::Services).await? else {
            bail!("files instead of services")
        };
        let (files, pool) = (BTreeMap::new(), DescriptorPool::new());
        let mut server = Self { channel, version, files, pool, services };
        for name in server.services.clone() {
            server.learn(&name).await.with_context(|| format!("the service {name} is not described"))?;
        }
        Ok(server)
    }

    /// Asks for the file that defines a name, and all files that it imports.
    pub(crate) async fn learn(&mut self, symbol: &str) -> Result<()> {
        let mut missing = self.take(ask(&self.channel, self.version, Question::Symbol(symbol)).await?)?;
        while let Some(name) = missing.pop() {
            if !self.files.contains_key(&name) {
                let answer = ask(&self.channel, self.version, Question::File(&name)).await;
                missing.extend(self.take(answer.with_context(|| format!("the import {name} is not there"))?)?);
            }
        }
        let known: Vec<_> = self.pool.files().map(|file| file.name().to_owned()).collect();
        let new = self.files.values().filter(|file| !known.iter().any(|name| name == file.name())).cloned();
        Ok(self.pool.add_file_descriptor_protos(new)?)
    }

    /// Keeps files, and answers with what they import.
    fn take(&mut self, answer: Answer) -> Result<Vec<String>> {
        let Answer::Files(files) = answer else { bail!("services instead of files") };
        let mut imports = Vec::new();
        for file in files {
            let file = FileDescriptorProto::decode(file.as_slice())?;
            imports.extend(file.dependency.iter().cloned());
            self.files.insert(file.name().to_owned(), file);
        }
        Ok(imports)
    }

    /// All methods of all services, as `package.Service/Method`.
    pub(crate) fn methods(&self) -> Vec<String> {
        let services = self.services.iter().filter_map(|name| self.pool.get_service_by_name(name));
        services
            .flat_map(|service| {
                let path = |method: MethodDescriptor| format!("{}/{}", service.full_name(), method.name());
                service.methods().map(path).collect::<Vec<_>>()
            })
            .collect()
    }

    /// The method `package.Service/Method`; a point in place of the slash is as good.
    pub(crate) fn method(&self, path: &str) -> Result<MethodDescriptor> {
        let (service, name) = path.rsplit_once(['/', '.']).ok_or_else(|| anyhow!("'{path}' names no method"))?;
        if !self.services.iter().any(|listed| listed == service) {
            bail!("there is no service {service}; there are {}", self.services.join(", "));
        }
        let descriptor = self.pool.get_service_by_name(service).context("a listed service is described")?;
        let found = descriptor.methods().find(|method| method.name() == name);
        found.ok_or_else(|| anyhow!("the service {service} has no method {name}"))
    }

    /// Whether a service, method or message of that name is described.
    pub(crate) fn describes(&self, symbol: &str) -> bool {
        self.services.iter().any(|service| service == symbol)
            || self.method(symbol).is_ok()
            || self.pool.get_message_by_name(symbol).is_some()
    }

    /// The request of a method, from JSON.
    pub(crate) fn request(&self, method: &MethodDescriptor, json: &Value) -> Result<DynamicMessage> {
        let message = DynamicMessage::deserialize(method.input(), json);
        message.with_context(|| format!("{json} is no {}", method.input().full_name()))
    }

    /// Calls a method of any kind, and answers with its stream of answers.
    pub(crate) async fn call(
        &self,
        path: &str,
        headers: &[(String, String)],
        json: &Value,
    ) -> Result<Streaming<DynamicMessage>, Status> {
        let invalid = |error: anyhow::Error| Status::invalid_argument(format!("not sent: {error:#}"));
        let method = self.method(path).map_err(invalid)?;
        let message = self.request(&method, json).map_err(invalid)?;
        let mut request = Request::new(tokio_stream::once(message));
        for (name, value) in headers {
            let key: AsciiMetadataKey = name.parse().map_err(|_| Status::invalid_argument(format!("header {name}")))?;
            let value: AsciiMetadataValue = value.parse().map_err(|_| Status::invalid_argument(name.as_str()))?;
            request.metadata_mut().insert(key, value);
        }
        let path = PathAndQuery::try_from(format!("/{}/{}", method.parent_service().full_name(), method.name()));
        let path = path.map_err(|error| Status::invalid_argument(error.to_string()))?;
        let mut client = tonic::client::Grpc::new(self.channel.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX);
        client.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
        // On the wire a single message is a stream of one, so every kind of method is called alike.
        client.streaming(request, path, DynamicCodec(method.output())).await.map(tonic::Response::into_inner)
    }

    /// Calls a method, and answers with its first answer.
    pub(crate) async fn first(&self, path: &str, headers: &[(String, String)], json: &Value) -> Result<Value, Status> {
        let answer = async { self.call(path, headers, json).await?.message().await };
        let answer = tokio::time::timeout(PATIENCE, answer).await;
        match answer.map_err(|_| Status::deadline_exceeded(format!("{path} did not answer")))?? {
            Some(message) => json_of(&message).map_err(|error| Status::internal(error.to_string())),
            None => Err(Status::unknown("the stream ended without an answer")),
        }
    }

    /// [`Self::first`] in nobody's name.
    pub(crate) async fn ask(&self, path: &str, json: Value) -> Result<Value, Status> {
        self.first(path, &[], &json).await
    }

    /// The details of an error, by their type, each decoded by what the server says of that type.
    pub(crate) async fn details(&mut self, status: &Status) -> Result<BTreeMap<String, Value>> {
        let whole = self.decode("google.rpc.Status", status.details()).await?;
        let mut details = BTreeMap::new();
        let list = whole.get_field_by_name("details").context("a field of google.rpc.Status")?.into_owned();
        for any in list.as_list().context("details are a list")? {
            let any = any.as_message().context("a detail is a message")?;
            let field = |name: &str| any.get_field_by_name(name).map(std::borrow::Cow::into_owned);
            let (url, bytes) = (field("type_url").context("type_url")?, field("value").context("value")?);
            let name = url.as_str().and_then(|url| url.rsplit('/').next()).context("a type")?.to_owned();
            let detail = self.decode(&name, bytes.as_bytes().context("bytes")?).await?;
            details.insert(name, json_of(&detail)?);
        }
        Ok(details)
    }

    async fn decode(&mut self, name: &str, bytes: &[u8]) -> Result<DynamicMessage> {
        self.learn(name).await.with_context(|| format!("{name} is not described"))?;
        let descriptor = self.pool.get_message_by_name(name).with_context(|| format!("{name} is no message"))?;
        Ok(DynamicMessage::decode(descriptor, bytes)?)
    }
}

/// JSON with the names of the `.proto` files; fields at their default are left out.
pub(crate) fn json_of(message: &DynamicMessage) -> Result<Value> {
    let options = SerializeOptions::new().use_proto_field_name(true).stringify_64_bit_integers(false);
    Ok(message.serialize_with_options(serde_json::value::Serializer, &options)?)
}
