//! Ports that nobody else has: not twice in this process, and not among those that the operating
//! system gives to outgoing connections, so that a stopped server finds its port again.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

const FIRST: u32 = 20_000;
const COUNT: u32 = 12_000;

/// A port on loopback on which nothing listens.
pub fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    for _ in 0..COUNT {
        // Test processes run side by side, so each begins its walk somewhere else.
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + std::process::id().wrapping_mul(131).wrapping_add(step) % COUNT;
        if let Ok(port) = u16::try_from(port)
            && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
        {
            return port;
        }
    }
    panic!("no free port between {FIRST} and {} on 127.0.0.1", FIRST + COUNT);
}

/// A loopback address with a free port.
pub fn free_address() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used)]

    use super::*;

    #[test]
    fn port_is_free_and_never_given_twice() {
        let (first, second) = (free_port(), free_port());
        assert_ne!(first, second);
        drop(TcpListener::bind((Ipv4Addr::LOCALHOST, first)).expect("the port is free"));
    }

    #[test]
    fn taken_port_is_not_given() {
        let taken = free_port();
        let _listener = TcpListener::bind((Ipv4Addr::LOCALHOST, taken)).expect("the port is free");
        assert!((0..COUNT).all(|_| free_port() != taken), "a port in use was given");
    }
}
