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

/// Clients for an endpoint, with the given credentials or whatever the SDK finds.
pub(crate) async fn clients(endpoint: &str, region: &str, credentials: Option<Credentials>) -> Clients {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(3))
        .operation_attempt_timeout(Duration::from_secs(10))
        .operation_timeout(Duration::from_secs(30))
        .build();
    let loader = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new(region.to_owned()))
        .endpoint_url(endpoint)
        .timeout_config(timeouts)
        // The reconciler tries again with a longer breath; here only what passes at once.
        .retry_config(RetryConfig::standard().with_max_attempts(2));
    let shared = match credentials {
        Some(credentials) => loader.credentials_provider(credentials),
        None => loader,
    };
    let shared = shared.load().await;
    let s3 = aws_sdk_s3::config::Builder::from(&shared).force_path_style(true).build();
    Clients {
        s3: aws_sdk_s3::Client::from_conf(s3),
        iam: aws_sdk_iam::Client::new(&shared),
        sts: aws_sdk_sts::Client::new(&shared),
    }
}
