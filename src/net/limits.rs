//! How many connections there may be, in all and from one address.
//!
//! An IPv6 client owns at least a /64, so that counts as one address.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// Connections in all. Each costs about 100 KiB while busy: 25 MiB of a 512 MB board.
pub const CONNECTIONS_MAX: usize = 256;

/// Connections from one address. A household behind one router address with several clients each fits in.
pub const CONNECTIONS_PER_ADDRESS_MAX: usize = 64;

/// Limits on connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// In all.
    pub connections_max: usize,
    /// From one address (IPv6: one /64).
    pub per_address_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: CONNECTIONS_MAX,
            per_address_max: CONNECTIONS_PER_ADDRESS_MAX,
        }
    }
}

/// Which limit was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reached {
    /// Connections in all.
    #[error("too many connections")]
    Total,
    /// Connections from one address.
    #[error("too many connections from this address")]
    PerAddress,
}

/// Counts connections against the [`Limits`]. Clones count together.
#[derive(Clone, Debug)]
pub struct Limiter {
    limits: Limits,
    table: Arc<Mutex<Table>>,
}

#[derive(Debug, Default)]
struct Table {
    total: usize,
    by_address: BTreeMap<IpAddr, usize>,
}

/// Room for one connection; gives it back when dropped.
#[derive(Debug)]
pub struct Permit {
    key: IpAddr,
    table: Arc<Mutex<Table>>,
}

impl Limiter {
    /// A limiter with nothing counted.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            table: Arc::default(),
        }
    }

    /// Counts one more connection from `address`, or says which limit forbids it.
    pub fn admit(&self, address: IpAddr) -> Result<Permit, Reached> {
        let key = counted_as(address);
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        if table.total >= self.limits.connections_max {
            return Err(Reached::Total);
        }
        let here = table.by_address.get(&key).copied().unwrap_or(0);
        if here >= self.limits.per_address_max {
            return Err(Reached::PerAddress);
        }
        table.by_address.insert(key, here + 1);
        table.total += 1;
        Ok(Permit {
            key,
            table: Arc::clone(&self.table),
        })
    }

    /// Connections counted now.
    pub fn open(&self) -> usize {
        let table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        table.total
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        table.total = table.total.saturating_sub(1);
        let here = table.by_address.get(&self.key).copied().unwrap_or(0);
        if here > 1 {
            table.by_address.insert(self.key, here - 1);
        } else {
            table.by_address.remove(&self.key);
        }
    }
}

/// The address as it is counted: IPv4 whole, IPv6 by its /64.
fn counted_as(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let network = u128::from(v6) & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from(network))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn per_address_counts_v6_by_network_and_mapped_v4_as_v4() {
        let limiter = Limiter::new(Limits {
            connections_max: 10,
            per_address_max: 1,
        });
        let first = limiter.admit(ip("2001:db8::1")).unwrap();
        let same_net = limiter.admit(ip("2001:db8::ffff:1"));
        assert_eq!(same_net.unwrap_err(), Reached::PerAddress);
        let _other_net = limiter.admit(ip("2001:db8:0:1::1")).unwrap();
        let _v4 = limiter.admit(ip("192.0.2.1")).unwrap();
        let mapped = limiter.admit(ip("::ffff:192.0.2.1"));
        assert_eq!(mapped.unwrap_err(), Reached::PerAddress);
        drop(first);
        assert!(limiter.admit(ip("2001:db8::2")).is_ok());
    }

    #[test]
    fn total_is_given_back() {
        let limiter = Limiter::new(Limits {
            connections_max: 2,
            per_address_max: 2,
        });
        let one = limiter.admit(ip("192.0.2.1")).unwrap();
        let _two = limiter.admit(ip("192.0.2.2")).unwrap();
        assert_eq!(limiter.admit(ip("192.0.2.3")).unwrap_err(), Reached::Total);
        drop(one);
        assert_eq!(limiter.open(), 1);
        assert!(limiter.admit(ip("192.0.2.3")).is_ok());
    }
}
