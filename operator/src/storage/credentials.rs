//! Clients of the store with the operator's own credentials.

use std::time::Duration;

use aws_config::{BehaviorVersion, Region, retry::RetryConfig, timeout::TimeoutConfig};
use aws_credential_types::Credentials;

/// The three services.
#[derive(Debug, Clone)]
pub(crate) struct Clients {
    pub(crate) s3: aws_sdk_s3::Client,
    pub(crate) iam: aws_sdk_iam::Client,
    pub(crate) sts: aws_sdk_sts::Client,
}

/// Whether an endpoint is Amazon's, where every service has addresses of its own; elsewhere
/// one endpoint serves all three.
fn is_amazons(endpoint: &str) -> bool {
    let host = endpoint.split("://").last().unwrap_or_default().split(['/', ':']).next().unwrap_or_default();
    [".amazonaws.com", ".amazonaws.com.cn", ".amazonaws.eu"].iter().any(|domain| host.ends_with(domain))
}

/// Clients for an endpoint, with the given credentials or whatever the SDK finds.
pub(crate) async fn clients(endpoint: &str, region: &str, credentials: Option<Credentials>) -> Clients {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(3))
        .operation_attempt_timeout(Duration::from_secs(10))
        .operation_timeout(Duration::from_secs(30))
        .build();
    let loader = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new(region.to_owned()))
        .timeout_config(timeouts)
        // The reconciler tries again with a longer breath; here only what passes at once.
        .retry_config(RetryConfig::standard().with_max_attempts(2));
    let shared = match credentials {
        Some(credentials) => loader.credentials_provider(credentials),
        None => loader,
    };
    // The SDK knows where Amazon's IAM and STS are and which region signs for them.
    let loader = if is_amazons(endpoint) { shared } else { shared.endpoint_url(endpoint) };
    let shared = loader.load().await;
    let s3 = aws_sdk_s3::config::Builder::from(&shared).endpoint_url(endpoint).force_path_style(true).build();
    Clients {
        s3: aws_sdk_s3::Client::from_conf(s3),
        iam: aws_sdk_iam::Client::new(&shared),
        sts: aws_sdk_sts::Client::new(&shared),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_amazons_endpoints_are_amazons() {
        for amazons in ["https://s3.eu-north-1.amazonaws.com", "https://vpce-1.s3.eu-north-1.vpce.amazonaws.com:443/x"]
        {
            assert!(is_amazons(amazons), "{amazons}");
        }
        for other in ["https://s3.example.dk", "http://10.0.0.1:8333", "https://amazonaws.com.example.dk", ""] {
            assert!(!is_amazons(other), "{other}");
        }
    }
}
