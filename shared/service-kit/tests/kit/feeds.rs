//! Feeds: every event takes effect exactly once, through crashes of either side.

use crate::probe::Running;
use futures::Stream;
use provost_contract::review::v1 as wire;
use provost_service_kit::{Database, Fault, FaultKind, Wake, channel, feed};
use provost_testkit::{Engine, engines, eventually};
use sea_orm::{ConnectionTrait, Statement};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio_stream::StreamExt;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};

const PATIENCE: Duration = Duration::from_secs(60);
const FEED: &str = "numbers";

async fn connect(url: &str) -> Database {
    Database::connect(&url.into(), None).await.unwrap()
}

async fn all(connection: &impl ConnectionTrait, sql: &str) -> Result<Vec<i64>, Fault> {
    let statement = Statement::from_string(connection.get_database_backend(), sql);
    let rows = connection.query_all_raw(statement).await?;
    Ok(rows.into_iter().map(|row| row.try_get_by_index(0)).collect::<Result<_, _>>()?)
}

/// The side that has news.
#[derive(Clone)]
struct Producer {
    database: Database,
    wake: Wake,
}

impl Producer {
    async fn new(engine: &Engine) -> Self {
        let database = connect(&engine.url).await;
        database.write().execute_unprepared("CREATE TABLE numbers (n BIGINT PRIMARY KEY)").await.unwrap();
        Self { wake: Wake::new(&database, "test_numbers"), database }
    }

    async fn publish(&self, n: i64) {
        let transaction = self.database.begin().await.unwrap();
        self.database.order_feed(&transaction, FEED).await.unwrap();
        transaction.execute_unprepared(&format!("INSERT INTO numbers VALUES ({n})")).await.unwrap();
        self.wake.announce(&transaction).await.unwrap();
        transaction.commit().await.unwrap();
        self.wake.ring();
    }

    fn serve(&self, after: i64, stop: CancellationToken) -> impl Stream<Item = Result<i64, Status>> + Send + 'static {
        let database = self.database.clone();
        feed::serve(after, self.wake.listener(), stop, move |cursor| {
            let database = database.clone();
            async move {
                let sql = format!("SELECT n FROM numbers WHERE n > {cursor} ORDER BY n LIMIT 7");
                Ok(all(database.read(), &sql).await?.into_iter().map(|n| (n, n)).collect())
            }
        })
    }
}

/// The side that hears. It fails in every so-manieth batch, after the batch's first event.
#[derive(Clone)]
struct Consumer {
    database: Database,
    batches: Arc<AtomicU32>,
    crash_every: u32,
}

impl Consumer {
    async fn new(engine: &Engine, crash_every: u32) -> Self {
        let database = connect(&engine.url).await;
        database.write().execute(&feed::cursor_table()).await.unwrap();
        // No key: an event that takes effect twice must be seen, not prevented.
        database.write().execute_unprepared("CREATE TABLE effects (n BIGINT)").await.unwrap();
        Self { database, batches: Arc::default(), crash_every }
    }

    async fn take(&self, events: Vec<i64>) -> Result<(), Fault> {
        let transaction = self.database.begin().await?;
        let from = feed::cursor(&transaction, FEED).await?;
        let mut to = from;
        let crashes = self.batches.fetch_add(1, Ordering::SeqCst) % self.crash_every == self.crash_every - 1;
        for n in events.into_iter().filter(|n| *n > from) {
            transaction.execute_unprepared(&format!("INSERT INTO effects VALUES ({n})")).await?;
            to = n;
            if crashes {
                return Err(Fault::internal(anyhow::anyhow!("crashed between two events")));
            }
        }
        feed::advance(&transaction, FEED, from, to).await?;
        Ok(transaction.commit().await?)
    }

    async fn effects(&self) -> Vec<i64> {
        all(self.database.read(), "SELECT n FROM effects ORDER BY n").await.unwrap()
    }

    async fn hears(&self, last: i64) {
        eventually("the last event takes effect", PATIENCE, async || {
            let effects = self.effects().await;
            if effects.last() == Some(&last) { Ok(()) } else { Err(format!("{} of {last}", effects.len())) }
        })
        .await;
        assert_eq!(self.effects().await, (1..=last).collect::<Vec<_>>());
        assert_eq!(feed::cursor(self.database.read(), FEED).await.unwrap(), last);
    }

    /// Follows until it is aborted or stopped.
    fn follow(&self, producer: &Producer, stop: CancellationToken) -> tokio::task::JoinHandle<anyhow::Result<()>> {
        let (consumer, producer) = (self.clone(), producer.clone());
        tokio::spawn(async move {
            feed::follow(
                FEED,
                stop.clone(),
                || feed::cursor(consumer.database.read(), FEED),
                |after| {
                    let stream = producer.serve(after, stop.clone());
                    async move { Ok(Box::pin(stream)) }
                },
                |events| consumer.take(events),
            )
            .await
        })
    }
}

#[tokio::test]
async fn consumer_that_fails_and_dies_between_events_applies_each_once() {
    for (news, effects) in engines().await.into_iter().zip(engines().await) {
        let (producer, consumer) = (Producer::new(&news).await, Consumer::new(&effects, 3).await);
        let mut following = consumer.follow(&producer, CancellationToken::new());
        for n in 1..=40 {
            producer.publish(n).await;
            if n % 9 == 0 {
                following.abort();
                let _ = following.await;
                following = consumer.follow(&producer, CancellationToken::new());
            }
        }
        consumer.hears(40).await;
        following.abort();
    }
}

#[tokio::test]
async fn two_replicas_that_follow_at_once_apply_each_event_once() {
    for (news, effects) in engines().await.into_iter().zip(engines().await) {
        let (producer, one) = (Producer::new(&news).await, Consumer::new(&effects, u32::MAX).await);
        let other = Consumer { database: connect(&effects.url).await, ..one.clone() };
        let stop = CancellationToken::new();
        let following = [one.follow(&producer, stop.clone()), other.follow(&producer, stop.clone())];
        for n in 1..=40 {
            producer.publish(n).await;
        }
        one.hears(40).await;
        stop.cancel();
        for follower in following {
            follower.await.unwrap().unwrap();
        }
    }
}

#[tokio::test]
async fn only_one_of_two_advances_from_the_same_place() {
    for engine in engines().await {
        let consumer = Consumer::new(&engine, u32::MAX).await;
        let database = &consumer.database;
        let first = database.begin().await.unwrap();
        feed::advance(&first, FEED, 0, 5).await.unwrap();
        first.commit().await.unwrap();
        let late = database.begin().await.unwrap();
        late.execute_unprepared("INSERT INTO effects VALUES (3)").await.unwrap();
        let refused = feed::advance(&late, FEED, 0, 3).await.unwrap_err();
        assert_eq!(refused.kind(), FaultKind::Conflict, "{}", engine.name);
        drop(late);
        assert!(consumer.effects().await.is_empty());
        assert_eq!(feed::cursor(database.read(), FEED).await.unwrap(), 5);
        assert_eq!(feed::cursor(database.read(), "another").await.unwrap(), 0);
    }
}

#[tokio::test]
async fn failure_to_read_ends_the_stream_with_its_status() {
    for engine in engines().await {
        let producer = Producer::new(&engine).await;
        producer.database.write().execute_unprepared("DROP TABLE numbers").await.unwrap();
        let mut stream = Box::pin(producer.serve(0, CancellationToken::new()));
        assert_eq!(stream.next().await.unwrap().unwrap_err().code(), Code::Internal);
        assert!(stream.next().await.is_none());
    }
}

mod over_the_wire {
    //! The same over gRPC, with a server that stops and comes back on its port.

    use super::*;
    use provost_contract::review::v1::review_service_client::ReviewServiceClient;
    use provost_contract::review::v1::review_service_server::{ReviewService, ReviewServiceServer};
    use provost_service_kit::Server;
    use std::pin::Pin;
    use tonic::{Request, Response};

    struct Numbers(Producer, CancellationToken);

    #[tonic::async_trait]
    impl ReviewService for Numbers {
        type WatchDecisionsStream = Pin<Box<dyn Stream<Item = Result<wire::Decision, Status>> + Send>>;

        async fn watch_decisions(
            &self,
            request: Request<wire::WatchDecisionsRequest>,
        ) -> Result<Response<Self::WatchDecisionsStream>, Status> {
            let numbers = self.0.serve(request.into_inner().after_cursor, self.1.clone());
            let decisions = numbers.map(|n| Ok(wire::Decision { cursor: n?, ..Default::default() }));
            Ok(Response::new(Box::pin(decisions)))
        }

        async fn request_review(
            &self,
            _: Request<wire::RequestReviewRequest>,
        ) -> Result<Response<wire::Review>, Status> {
            Err(Status::unimplemented("not asked for"))
        }
        async fn withdraw_review(
            &self,
            _: Request<wire::WithdrawReviewRequest>,
        ) -> Result<Response<wire::Review>, Status> {
            Err(Status::unimplemented("not asked for"))
        }
        async fn list_reviews(
            &self,
            _: Request<wire::ListReviewsRequest>,
        ) -> Result<Response<wire::ListReviewsResponse>, Status> {
            Err(Status::unimplemented("not asked for"))
        }
        async fn get_review(&self, _: Request<wire::GetReviewRequest>) -> Result<Response<wire::Review>, Status> {
            Err(Status::unimplemented("not asked for"))
        }
        async fn approve(&self, _: Request<wire::ApproveRequest>) -> Result<Response<wire::Review>, Status> {
            Err(Status::unimplemented("not asked for"))
        }
        async fn decline(&self, _: Request<wire::DeclineRequest>) -> Result<Response<wire::Review>, Status> {
            Err(Status::unimplemented("not asked for"))
        }
        async fn postpone(&self, _: Request<wire::PostponeRequest>) -> Result<Response<wire::Review>, Status> {
            Err(Status::unimplemented("not asked for"))
        }
    }

    async fn start(producer: &Producer, address: &str) -> Running {
        let stop = CancellationToken::new();
        let mut server = Server::default();
        server.add(ReviewServiceServer::new(Numbers(producer.clone(), stop.clone())));
        server.work("the stop of the streams", move |stopped| async move {
            stopped.cancelled().await;
            stop.cancel();
            Ok(())
        });
        Running::serve(server, address).await
    }

    #[tokio::test]
    async fn server_that_restarts_is_followed_again_and_nothing_is_lost_or_doubled() {
        for (news, effects) in engines().await.into_iter().zip(engines().await) {
            let (producer, consumer) = (Producer::new(&news).await, Consumer::new(&effects, 4).await);
            let address = provost_testkit::free_address().to_string();
            let client = ReviewServiceClient::new(channel::to(&format!("http://{address}")).unwrap());
            let stop = CancellationToken::new();
            let following = tokio::spawn({
                let (consumer, stop) = (consumer.clone(), stop.clone());
                async move {
                    let open = |after_cursor| {
                        let mut client = client.clone();
                        async move {
                            let answer = client
                                .watch_decisions(wire::WatchDecisionsRequest { after_cursor, ..Default::default() })
                                .await?;
                            Ok(answer.into_inner().map(|decision| decision.map(|decision| decision.cursor)))
                        }
                    };
                    let cursor = || feed::cursor(consumer.database.read(), FEED);
                    feed::follow(FEED, stop, cursor, open, |events| consumer.take(events)).await
                }
            });
            for round in 0..3 {
                let running = start(&producer, &address).await;
                for n in 1..=10 {
                    producer.publish(round * 10 + n).await;
                }
                running.stop.cancel();
                tokio::time::timeout(Duration::from_secs(8), running.served).await.expect("it ends").unwrap().unwrap();
            }
            let running = start(&producer, &address).await;
            consumer.hears(30).await;
            stop.cancel();
            following.await.unwrap().unwrap();
            running.stop.cancel();
            running.served.await.unwrap().unwrap();
        }
    }
}

/// Log lines, for looking at.
#[derive(Clone, Default)]
struct Log(Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn feed_that_breaks_is_told_once_and_again_when_it_is_worse_or_goes_on() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    // While there is only one, a place in the code that another test's thread comes to first is asked for with that
    // thread's subscriber, which is none, and is silent from then on for all.
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    let _guard = tracing::subscriber::set_default(subscriber);
    let (stop, tries) = (CancellationToken::new(), AtomicU32::new(0));
    let followed = feed::follow(
        "orders",
        stop.clone(),
        || async { Ok(0) },
        |_| async {
            let stream = match tries.fetch_add(1, Ordering::SeqCst) {
                0..=2 => return Err(Status::unavailable("nobody there")),
                _ => tokio_stream::iter([Ok(1)]),
            };
            Ok(stream)
        },
        |_| {
            let (try_of, stop) = (tries.load(Ordering::SeqCst), stop.clone());
            async move {
                match try_of {
                    ..=6 => Err(Fault::internal(anyhow::anyhow!("a column is missing"))),
                    _ => {
                        stop.cancel();
                        Ok(())
                    }
                }
            }
        },
    );
    followed.await.unwrap();
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<&str> = text.lines().filter(|line| line.contains("feed=\"orders\"")).collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert!(lines[0].contains("WARN") && lines[0].contains("nobody there"), "{text}");
    assert!(lines[1].contains("ERROR") && lines[1].contains("a column is missing"), "{text}");
    assert!(lines[2].contains("INFO") && lines[2].contains("goes on"), "{text}");
}
