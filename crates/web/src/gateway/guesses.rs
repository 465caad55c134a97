//! How many wrong tokens a client may send. Pure: the time is handed in.
//!
//! # Invariants
//! * Ten wrong tokens at once, and one more every six seconds. A client that has sent more is told nothing about its next one.
//! * A client that guesses locks nobody else out, as long as there are fewer than a thousand that guess.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// How many wrong tokens a client may send at once.
const AT_ONCE: u32 = 10;
/// After so long it may send one more.
pub const REGAINED: Duration = Duration::from_secs(6);
/// How many clients are told apart. All others count as one.
const CLIENTS: usize = 1000;
/// Stands for all clients that are not told apart, as no client has this address.
const OTHERS: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

/// The wrong tokens of late.
#[derive(Debug, Default)]
pub struct Guesses {
    /// When the last of a client's wrong tokens will be forgiven.
    forgiven: HashMap<IpAddr, Instant>,
}

/// What comes of a token that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guess {
    Right,
    Wrong,
    /// The client has sent too many wrong ones, and this one was not looked at.
    TooMany,
}

impl Guesses {
    /// Looks at a token that this client has sent, unless it has sent too many wrong ones.
    pub fn take(&mut self, client: IpAddr, now: Instant, is_right: impl FnOnce() -> bool) -> Guess {
        self.forgiven.retain(|_, until| *until > now);
        let mut client = network(client);
        if self.forgiven.len() >= CLIENTS && !self.forgiven.contains_key(&client) {
            client = OTHERS;
        }
        let until = self.forgiven.get(&client).copied().unwrap_or(now);
        if until + REGAINED > now + REGAINED * AT_ONCE {
            return Guess::TooMany;
        }
        if is_right() {
            return Guess::Right;
        }
        self.forgiven.insert(client, until + REGAINED);
        Guess::Wrong
    }
}

/// What belongs to one client: an address of IPv4, or a whole network of IPv6, in which a client can have any address.
fn network(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(last: u16) -> IpAddr {
        Ipv6Addr::new(0x2001, 0xdb8, 0, last, 0, 0, 0, 1).into()
    }

    fn guesses(guesses: &mut Guesses, client: IpAddr, now: Instant) -> usize {
        (0..50)
            .take_while(|_| guesses.take(client, now, || false) == Guess::Wrong)
            .count()
    }

    #[test]
    fn a_client_that_guesses_is_slowed_down_and_nobody_else_is() {
        let (mut all, now) = (Guesses::default(), Instant::now());
        assert_eq!(guesses(&mut all, client(1), now), 10);
        assert_eq!(
            all.take(client(1), now, || panic!("it is not looked at")),
            Guess::TooMany
        );
        let neighbour = Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 9, 9, 9, 9).into();
        assert_eq!(all.take(neighbour, now, || true), Guess::TooMany, "of the same network");
        assert_eq!(all.take(client(2), now, || true), Guess::Right);
        assert_eq!(guesses(&mut all, client(1), now + REGAINED), 1);
        assert_eq!(guesses(&mut all, client(1), now + REGAINED * 99), 10);
        assert_eq!(guesses(&mut all, client(2), now), 10, "a right one costs nothing");
    }

    #[test]
    fn a_crowd_that_guesses_costs_bounded_memory_and_is_slowed_down_as_one() {
        let (mut all, now) = (Guesses::default(), Instant::now());
        let wrong = (0..5000).filter(|number| all.take(client(*number), now, || false) == Guess::Wrong);
        assert_eq!(wrong.count(), CLIENTS + 10);
        assert_eq!(all.forgiven.len(), CLIENTS + 1);
        assert_eq!(
            all.take(client(1), now, || true),
            Guess::Right,
            "who is known is told apart"
        );
        assert_eq!(all.take(client(9999), now + REGAINED, || true), Guess::Right);
    }
}
