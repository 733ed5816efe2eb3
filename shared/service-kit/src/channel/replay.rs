//! A request's body that can be sent once more: what went out is kept until there is an answer.
//!
//! The rule that must hold: of several playbacks of one recording only the newest goes on reading; an older one, which
//! a connection that broke may still hold, ends where it is.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::{Body as HttpBody, Bytes};

/// The most bytes that are kept of one call; a longer one cannot be repeated. As large as a message may be.
const KEPT_BYTES_MAX: usize = crate::server::MESSAGE_BYTES_MAX + 1024;

/// A body, and what was read of it so far.
pub(super) struct Recording(Arc<Mutex<Tape>>);

struct Tape {
    frames: VecDeque<Bytes>,
    bytes: usize,
    rest: Body,
    is_over: bool,
    /// More went out than is kept.
    is_cut: bool,
    playbacks: u64,
}

impl Recording {
    pub(super) fn of(body: Body) -> Self {
        let (frames, playbacks) = (VecDeque::new(), 0);
        Self(Arc::new(Mutex::new(Tape { frames, bytes: 0, rest: body, is_over: false, is_cut: false, playbacks })))
    }

    /// The body from its beginning, unless too much of it is gone.
    pub(super) fn play(&self) -> Option<Body> {
        let number = {
            let mut tape = lock(&self.0);
            if tape.is_cut {
                return None;
            }
            tape.playbacks += 1;
            tape.playbacks
        };
        Some(Body::new(Playback { tape: Arc::clone(&self.0), number, next: 0 }))
    }
}

fn lock(tape: &Mutex<Tape>) -> MutexGuard<'_, Tape> {
    tape.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Playback {
    tape: Arc<Mutex<Tape>>,
    number: u64,
    next: usize,
}

impl HttpBody for Playback {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Status>>> {
        let tape = Arc::clone(&self.tape);
        let mut tape = lock(&tape);
        if tape.playbacks != self.number {
            return Poll::Ready(None);
        }
        if let Some(kept) = tape.frames.get(self.next).filter(|_| !tape.is_cut) {
            let kept = kept.clone();
            self.next += 1;
            return Poll::Ready(Some(Ok(http_body::Frame::data(kept))));
        }
        if tape.is_over {
            return Poll::Ready(None);
        }
        let frame = std::task::ready!(Pin::new(&mut tape.rest).poll_frame(context));
        match &frame {
            None => tape.is_over = true,
            Some(Ok(frame)) => match frame.data_ref() {
                Some(data) if !tape.is_cut => {
                    tape.bytes += data.len();
                    let data = data.clone();
                    tape.frames.push_back(data);
                    self.next += 1;
                    if tape.bytes > KEPT_BYTES_MAX {
                        tape.is_cut = true;
                        tape.frames.clear();
                    }
                }
                Some(_) => {}
                // Trailers; a request of gRPC has none, and what has some is not repeated.
                None => tape.is_cut = true,
            },
            // What is to be sent could not be made; it would not be the second time either.
            Some(Err(_)) => tape.is_cut = true,
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        let tape = lock(&self.tape);
        tape.playbacks != self.number || (self.next >= tape.frames.len() && (tape.is_over || tape.rest.is_end_stream()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::future::poll_fn;

    struct Parts(VecDeque<Bytes>);

    impl HttpBody for Parts {
        type Data = Bytes;
        type Error = Status;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<http_body::Frame<Bytes>, Status>>> {
            Poll::Ready(self.0.pop_front().map(|part| Ok(http_body::Frame::data(part))))
        }
    }

    async fn next(body: &mut Body) -> Option<Bytes> {
        let frame = poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await?;
        Some(frame.unwrap().into_data().unwrap())
    }

    async fn all(mut body: Body) -> Vec<Bytes> {
        let mut parts = Vec::new();
        while let Some(part) = next(&mut body).await {
            parts.push(part);
        }
        parts
    }

    #[tokio::test]
    async fn body_is_read_again_from_its_beginning_and_the_older_reader_ends() {
        let parts = ["one", "two", "three"].map(|part| Bytes::from_static(part.as_bytes()));
        let recording = Recording::of(Body::new(Parts(parts.clone().into())));
        let mut first = recording.play().unwrap();
        assert_eq!(next(&mut first).await.unwrap(), "one");
        let second = recording.play().unwrap();
        assert_eq!(next(&mut first).await, None, "it would take what the newer one needs");
        assert_eq!(all(second).await, parts);
        assert_eq!(all(recording.play().unwrap()).await, parts, "also when it was read to its end");
    }

    #[tokio::test]
    async fn what_is_too_long_to_keep_goes_out_once() {
        let part = Bytes::from(vec![0; KEPT_BYTES_MAX / 2]);
        let recording = Recording::of(Body::new(Parts(vec![part.clone(); 3].into())));
        let read: usize = all(recording.play().unwrap()).await.iter().map(Bytes::len).sum();
        assert_eq!(read, part.len() * 3);
        assert!(recording.play().is_none());
    }
}
