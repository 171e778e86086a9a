//! Addresses and networks that may be blocked.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Networks that no block may touch, with what they are.
const NEVER: [(&str, &str); 9] = [
    ("0.0.0.0/8", "no address of anybody"),
    ("127.0.0.0/8", "the loopback network"),
    ("169.254.0.0/16", "the link-local network, with the metadata service"),
    ("224.0.0.0/4", "the multicast network"),
    ("240.0.0.0/4", "reserved"),
    ("::/127", "the loopback address"),
    ("::ffff:0:0/96", "an IPv4 address in the form of IPv6; write it as IPv4"),
    ("fe80::/10", "the link-local network"),
    ("ff00::/8", "the multicast network"),
];

/// The shortest prefix of a network that may be blocked: a shorter one is no longer an attacker, but a part of the world.
const SHORTEST_V4: u8 = 8;
const SHORTEST_V6: u8 = 32;

/// An address, or a network of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Network {
    first: IpAddr,
    prefix: u8,
}

impl Network {
    /// Reads an address or a network in CIDR notation, as it would be blocked.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn to_block(text: &str) -> Result<Self, String> {
        let network = Self::parse(text)?;
        let shortest = if network.first.is_ipv4() { SHORTEST_V4 } else { SHORTEST_V6 };
        if network.prefix < shortest {
            return Err(format!("`{network}` is too large a network to block; at least /{shortest}"));
        }
        for (never, what) in NEVER {
            if Self::parse(never).is_ok_and(|never| never.overlaps(&network)) {
                return Err(format!("`{network}` is {what}"));
            }
        }
        Ok(network)
    }

    /// Reads any address or network.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let problem = || format!("`{}` is neither an address nor a network such as 192.0.2.0/24", text.escape_debug());
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let address: IpAddr = address.parse().map_err(|_| problem())?;
        let whole = if address.is_ipv4() { 32 } else { 128 };
        let is_number = |text: &str| text.len() <= 3 && text.bytes().all(|digit| digit.is_ascii_digit());
        let prefix = match prefix {
            None => whole,
            Some(text) if is_number(text) => text.parse().map_err(|_| problem())?,
            Some(_) => return Err(problem()),
        };
        if prefix > whole {
            return Err(problem());
        }
        let network = Self { first: masked(address, prefix), prefix };
        if network.first != address {
            return Err(format!("`{text}` has bits beyond its prefix; the network is {network}"));
        }
        Ok(network)
    }

    /// Whether they have an address in common.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        let prefix = self.prefix.min(other.prefix);
        self.first.is_ipv4() == other.first.is_ipv4() && masked(self.first, prefix) == masked(other.first, prefix)
    }

    pub(super) fn is_ipv4(&self) -> bool {
        self.first.is_ipv4()
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.prefix)
    }
}

fn masked(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix.min(32))).unwrap_or(0);
            Ipv4Addr::from_bits(address.to_bits() & mask).into()
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix.min(128))).unwrap_or(0);
            Ipv6Addr::from_bits(address.to_bits() & mask).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("192.0.2.7", "192.0.2.7/32")]
    #[case("192.0.2.0/24", "192.0.2.0/24")]
    #[case("10.0.0.0/8", "10.0.0.0/8")]
    #[case("2001:db8::7", "2001:db8::7/128")]
    #[case("2001:DB8:0::/48", "2001:db8::/48")]
    fn an_address_is_a_network_of_one(#[case] text: &str, #[case] shown: &str) {
        assert_eq!(Network::to_block(text).map(|network| network.to_string()).as_deref(), Ok(shown));
    }

    #[rstest]
    #[case::everything("0.0.0.0/0", "too large")]
    #[case::half_of_everything("128.0.0.0/1", "too large")]
    #[case::everything_v6("::/0", "too large")]
    #[case::a_registry("2000::/12", "too large")]
    #[case::host_bits("192.0.2.7/24", "the network is 192.0.2.0/24")]
    #[case::loopback("127.0.0.1", "loopback")]
    #[case::loopback_v6("::1", "loopback")]
    #[case::unspecified("0.0.0.0", "no address of anybody")]
    #[case::metadata("169.254.169.254", "metadata")]
    #[case::link_local("fe80::1", "link-local")]
    #[case::multicast("239.1.2.3", "multicast")]
    #[case::multicast_v6("ff02::1", "multicast")]
    #[case::broadcast("255.255.255.255", "reserved")]
    #[case::mapped("::ffff:192.0.2.7", "write it as IPv4")]
    #[case::a_name("evil.example", "neither an address")]
    #[case::octal("0300.0.2.7", "neither an address")]
    #[case::a_zone("fe80::1%eth0", "neither an address")]
    #[case::a_port("192.0.2.7:80", "neither an address")]
    #[case::two("192.0.2.7,192.0.2.8", "neither an address")]
    #[case::a_long_prefix("192.0.2.7/33", "neither an address")]
    #[case::a_signed_prefix("192.0.2.7/+32", "neither an address")]
    #[case::lines("192.0.2.7\nx", "neither an address")]
    #[case::nothing("", "neither an address")]
    fn what_may_not_be_blocked_is_refused(#[case] text: &str, #[case] expected: &str) {
        let problem = Network::to_block(text).expect_err("it is refused");
        assert!(problem.contains(expected), "{problem}");
    }

    #[rstest]
    #[case("192.0.2.0/24", "192.0.2.7", true)]
    #[case("192.0.2.7", "192.0.2.0/24", true)]
    #[case("192.0.2.0/24", "192.0.3.0/24", false)]
    #[case("::/0", "192.0.2.7", false)]
    #[case("2001:db8::/32", "2001:db8:1::5", true)]
    fn networks_overlap_where_they_share_an_address(#[case] one: &str, #[case] other: &str, #[case] overlap: bool) {
        let network = |text| Network::parse(text).expect("a network");
        assert_eq!(network(one).overlaps(&network(other)), overlap);
    }
}
