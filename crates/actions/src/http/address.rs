//! Addresses that no act may reach: those that hand out credentials to whoever asks from inside a machine.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Names under which clouds serve metadata.
const METADATA_NAMES: &[&str] = &["metadata.google.internal", "metadata.goog", "metadata", "instance-data"];

/// Metadata services outside the link-local ranges.
const METADATA_V4: &[Ipv4Addr] =
    &[Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(192, 0, 0, 192), Ipv4Addr::new(168, 63, 129, 16)];
const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254);

/// A metadata, link-local or otherwise senseless target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is a metadata, link-local, multicast or unspecified address, which belay does not call")]
pub(crate) struct Refused(pub(crate) String);

/// Refuses an address; forms of IPv4 inside IPv6 are looked through.
pub(crate) fn check(address: IpAddr) -> Result<(), Refused> {
    let refused = match address {
        IpAddr::V4(address) => refused_v4(address),
        IpAddr::V6(address) => refused_v6(address),
    };
    if refused { Err(Refused(address.to_string())) } else { Ok(()) }
}

/// Refuses a host as it stands in a URL, before anything is resolved.
pub(crate) fn check_host(host: &str) -> Result<(), Refused> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = bare.parse::<IpAddr>() {
        return check(address);
    }
    let name = bare.trim_end_matches('.').to_ascii_lowercase();
    if METADATA_NAMES.contains(&name.as_str()) { Err(Refused(host.to_owned())) } else { Ok(()) }
}

/// Whether a host of a URL is this machine, which no proxy may be asked for.
pub(crate) fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.');
    bare.eq_ignore_ascii_case("localhost")
        || bare.to_ascii_lowercase().ends_with(".localhost")
        || bare.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

fn refused_v4(address: Ipv4Addr) -> bool {
    address.is_link_local()
        || address.is_multicast()
        || address.is_unspecified()
        || address.is_broadcast()
        || METADATA_V4.contains(&address)
}

fn refused_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    let [.., a, b] = segments;
    let low = Ipv4Addr::from((u32::from(a) << 16) | u32::from(b));
    let embedded = match segments {
        // Mapped, compatible and translated (NAT64) forms end in the IPv4 address; 6to4 starts with it.
        [0, 0, 0, 0, 0, 0 | 0xffff, ..] if address != Ipv6Addr::LOCALHOST => Some(low),
        [0x64, 0xff9b, ..] => Some(low),
        [0x2002, a, b, ..] => Some(Ipv4Addr::from((u32::from(a) << 16) | u32::from(b))),
        _ => None,
    };
    address.is_unicast_link_local()
        || address.is_multicast()
        || address.is_unspecified()
        || address == METADATA_V6
        || embedded.is_some_and(refused_v4)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("169.254.169.254", true)]
    #[case("[fe80::1]", true)]
    #[case("::ffff:169.254.169.254", true)]
    #[case("64:ff9b::a9fe:a9fe", true)]
    #[case("2002:a9fe:a9fe::1", true)]
    #[case("fd00:ec2::254", true)]
    #[case("100.100.100.200", true)]
    #[case("0.0.0.0", true)]
    #[case("Metadata.Google.Internal.", true)]
    #[case("127.0.0.1", false)]
    #[case("::1", false)]
    #[case("10.0.0.8", false)]
    #[case("web.shop", false)]
    fn metadata_and_link_local_hosts_are_refused_in_every_form(#[case] host: &str, #[case] refused: bool) {
        assert_eq!(check_host(host).is_err(), refused, "{host}");
    }

    #[test]
    fn this_machine_is_known_by_its_names() {
        assert!(
            ["localhost", "LOCALHOST.", "127.1.2.3", "[::1]", "::ffff:127.0.0.1"].iter().all(|host| is_loopback(host))
        );
        assert!(!is_loopback("localhost.example"));
    }
}
