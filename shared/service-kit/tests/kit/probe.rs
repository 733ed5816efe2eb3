//! A service that answers as it is told to, in the dress of `ReviewService`: the text in
//! `review_id` says what shall happen.

use futures::StreamExt;
use provost_contract::Violations;
use provost_contract::review::v1 as wire;
use provost_contract::review::v1::review_service_client::ReviewServiceClient;
use provost_contract::review::v1::review_service_server::{ReviewService, ReviewServiceServer};
use provost_service_kit::server::MESSAGE_BYTES_MAX;
use provost_service_kit::{Caller, Fault, FaultKind, Server, channel};
use std::pin::Pin;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;
use tonic::{Request, Response, Status};

pub(crate) type Client = ReviewServiceClient<Channel>;

/// A running server.
pub(crate) struct Running {
    pub(crate) address: String,
    pub(crate) stop: CancellationToken,
    pub(crate) served: JoinHandle<anyhow::Result<()>>,
}

impl Running {
    /// A server with the probe.
    pub(crate) fn probe() -> Server {
        let mut server = Server::default();
        let limit = MESSAGE_BYTES_MAX;
        let service = ReviewServiceServer::new(Probe).max_decoding_message_size(limit).max_encoding_message_size(limit);
        server.add(service);
        server
    }

    pub(crate) async fn start(prepare: impl FnOnce(&mut Server)) -> Self {
        let mut server = Self::probe();
        prepare(&mut server);
        Self::serve(server, "127.0.0.1:0").await
    }

    pub(crate) async fn serve(server: Server, address: &str) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let stop = CancellationToken::new();
        let served = tokio::spawn(server.run(listener, stop.clone()));
        Self { address, stop, served }
    }

    pub(crate) fn channel(&self) -> Channel {
        channel::to(&format!("http://{}", self.address)).unwrap()
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(self.channel()).max_decoding_message_size(MESSAGE_BYTES_MAX).max_encoding_message_size(usize::MAX)
    }

    /// The service's answer to a wish.
    pub(crate) async fn ask(&self, wish: &str) -> Result<wire::Review, Status> {
        let request = wire::GetReviewRequest { review_id: wish.to_owned() };
        self.client().get_review(request).await.map(Response::into_inner)
    }

    /// A stream that does not end by itself, after its first event.
    pub(crate) async fn stream(&self) -> tonic::Streaming<wire::Decision> {
        let request = wire::WatchDecisionsRequest::default();
        let mut stream = self.client().watch_decisions(request).await.unwrap().into_inner();
        assert_eq!(stream.message().await.unwrap().unwrap().cursor, 1);
        stream
    }
}

struct Probe;

fn fault(wish: &str) -> Fault {
    match wish {
        "invalid" => {
            let mut wrong = Violations::default();
            wrong.add("review_id", "is invalid");
            wrong.add("order.kind", "is invalid too");
            wrong.into()
        }
        "many" => {
            let mut wrong = Violations::default();
            (0..3_000).for_each(|index| wrong.add(format!("order.changes[{index}].proposed"), "ist völlig ungültig"));
            wrong.into()
        }
        "long" => Fault::invalid("order.target_key", "ß".repeat(20_000)),
        "wide" => Fault::wrong_state("review 7", "語".repeat(20_000)),
        "wrong state" => Fault::wrong_state("review 7", "cannot approve review 7: it is declined"),
        "unavailable" => Fault::new(FaultKind::Unavailable, "the database is away"),
        "conflict" => Fault::new(FaultKind::Conflict, "review 7 has changed"),
        "internal" => Fault::internal(anyhow::anyhow!("password=hunter2").context("cannot read the secret")),
        other => Fault::not_found(format!("review {other}")),
    }
}

#[tonic::async_trait]
impl ReviewService for Probe {
    async fn get_review(&self, request: Request<wire::GetReviewRequest>) -> Result<Response<wire::Review>, Status> {
        let Caller { actor } = Caller::of(&request);
        let wish = request.into_inner().review_id;
        if let Some(millis) = wish.strip_prefix("after ") {
            tokio::time::sleep(Duration::from_millis(millis.parse().unwrap())).await;
        } else if let Some(bytes) = wish.strip_prefix("bytes ") {
            let review_id = "x".repeat(bytes.parse().unwrap());
            return Ok(Response::new(wire::Review { review_id, ..Default::default() }));
        } else if wish == "panic" {
            panic!("as asked");
        } else if wish.len() < 1_000 {
            return Err(fault(&wish).into());
        }
        Ok(Response::new(wire::Review { requested_by: actor, ..Default::default() }))
    }

    type WatchDecisionsStream = Pin<Box<dyn futures::Stream<Item = Result<wire::Decision, Status>> + Send>>;

    /// Ignores the signal to stop, as no real service should.
    async fn watch_decisions(
        &self,
        _request: Request<wire::WatchDecisionsRequest>,
    ) -> Result<Response<Self::WatchDecisionsStream>, Status> {
        let first = wire::Decision { cursor: 1, ..Default::default() };
        let stream = futures::stream::iter([Ok(first)]).chain(futures::stream::pending());
        Ok(Response::new(Box::pin(stream)))
    }

    async fn request_review(
        &self,
        _request: Request<wire::RequestReviewRequest>,
    ) -> Result<Response<wire::Review>, Status> {
        Err(Status::unimplemented("not asked for"))
    }

    async fn withdraw_review(
        &self,
        _request: Request<wire::WithdrawReviewRequest>,
    ) -> Result<Response<wire::Review>, Status> {
        Err(Status::unimplemented("not asked for"))
    }

    async fn list_reviews(
        &self,
        _request: Request<wire::ListReviewsRequest>,
    ) -> Result<Response<wire::ListReviewsResponse>, Status> {
        Err(Status::unimplemented("not asked for"))
    }

    async fn approve(&self, _request: Request<wire::ApproveRequest>) -> Result<Response<wire::Review>, Status> {
        Err(Status::unimplemented("not asked for"))
    }

    async fn decline(&self, _request: Request<wire::DeclineRequest>) -> Result<Response<wire::Review>, Status> {
        Err(Status::unimplemented("not asked for"))
    }

    async fn postpone(&self, _request: Request<wire::PostponeRequest>) -> Result<Response<wire::Review>, Status> {
        Err(Status::unimplemented("not asked for"))
    }
}
