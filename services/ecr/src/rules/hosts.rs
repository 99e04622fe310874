//! Names of registries on the network.

use haar_types::{AccountId, Region};

use crate::state::RegistryKey;

/// The registry that a host names: `123456789012.dkr.ecr.us-east-1.localhost`, with a port or
/// without, under whatever domain.
pub(crate) fn registry_of(host: &str) -> Option<RegistryKey> {
    let mut labels = host.split('.');
    let account: AccountId = labels.next()?.parse().ok()?;
    let (dkr, ecr) = (labels.next()?, labels.next()?);
    let region: Region = labels.next()?.parse().ok()?;
    labels.next()?;
    (dkr == "dkr" && ecr == "ecr").then_some(RegistryKey { account, region })
}

/// True for hosts that are this machine's, with a port or without.
pub(crate) fn is_local(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let address = name.trim_start_matches('[').trim_end_matches(']');
    matches!(name, "localhost" | "localhost.localstack.cloud")
        || address.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The host of a registry, below the address that its caller has used: `http://localhost:4566`
/// gives `123456789012.dkr.ecr.us-east-1.localhost:4566`.
pub(crate) fn host_of(registry: &RegistryKey, endpoint: &str) -> String {
    let authority = endpoint.rsplit_once("//").map_or(endpoint, |(_, authority)| authority);
    let (name, port) = match authority.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
            (name, format!(":{port}"))
        }
        _ => (authority, String::new()),
    };
    // An address has no names below it.
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    let domain = match bare.parse::<std::net::IpAddr>() {
        Ok(_) => "localhost",
        Err(_) if name.ends_with("localhost.localstack.cloud") => "localhost.localstack.cloud",
        Err(_) => name.rsplit_once(".amazonaws.com").map_or(name, |_| "localhost"),
    };
    let domain = if domain.ends_with(".localhost") { "localhost" } else { domain };
    let RegistryKey { account, region } = registry;
    format!("{account}.dkr.ecr.{region}.{domain}{port}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_names_its_registry_and_back() {
        let host = "123456789012.dkr.ecr.eu-west-1.localhost:4566";
        let registry = registry_of(host).unwrap();
        assert_eq!(
            (registry.account.as_str(), registry.region.as_str()),
            ("123456789012", "eu-west-1")
        );
        for endpoint in
            ["http://localhost:4566", "http://127.0.0.1:4566", "http://api.ecr.localhost:4566"]
        {
            assert_eq!(host_of(&registry, endpoint), host, "{endpoint}");
        }
        assert_eq!(registry_of("localhost"), None);
        assert_eq!(registry_of("12.dkr.ecr.eu-west-1.localhost"), None);
        assert!(is_local("localhost:4566") && is_local("127.0.0.1") && is_local("[::1]:80"));
        assert!(!is_local("ghcr.io"));
    }
}
