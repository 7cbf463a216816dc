//! The cluster's object store, as its administrator sees it.

use std::fs;
use std::path::Path;

use futures::TryStreamExt as _;
use object_store::aws::AmazonS3Builder;
use object_store::{ObjectStore as _, ObjectStoreExt as _};

use super::node::script;
use super::{Cluster, text};

impl Cluster {
    /// Stops the object store, or starts it again.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn store_runs(&self, runs: bool) -> anyhow::Result<()> {
        script("s3", &[if runs { "up" } else { "down" }]).map(drop)
    }

    /// The object store's administrator: access key id and secret.
    #[must_use]
    pub fn store_administrator(&self) -> (&str, &str) {
        (&self.node.administrator.0, &self.node.administrator.1)
    }

    fn store_user(&self) -> String {
        let (id, secret) = self.store_administrator();
        format!("{id}:{secret}")
    }

    /// Asks the store's IAM as its administrator; returns the answer, in XML.
    ///
    /// # Errors
    /// When it refuses.
    pub fn iam(&self, action: &str, parameters: &[(&str, &str)]) -> anyhow::Result<String> {
        let url = format!("{}/", self.node.endpoint());
        let user = self.store_user();
        let action = format!("Action={action}");
        let pairs: Vec<String> = parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut arguments = vec!["-sSf", "--noproxy", "*", "--aws-sigv4", "aws:amz:us-east-1:iam", "--user", &user];
        arguments.extend(["--data-urlencode", &action, "--data-urlencode", "Version=2010-05-08"]);
        arguments.extend(pairs.iter().flat_map(|pair| ["--data-urlencode", pair.as_str()]));
        arguments.push(&url);
        self.run("curl", &arguments, None)
    }

    /// Puts a file into a bucket as the store's administrator, as a data holder's transfer would.
    ///
    /// # Errors
    /// When the store does not take it.
    pub fn put(&self, bucket: &str, key: &str, file: &Path) -> anyhow::Result<()> {
        let url = format!("{}/{bucket}/{key}", self.node.endpoint());
        let user = self.store_user();
        let arguments =
            ["-sSf", "--noproxy", "*", "--aws-sigv4", "aws:amz:us-east-1:s3", "--user", &user, "-T", text(file)?, &url];
        self.run("curl", &arguments, None).map(drop)
    }

    /// Copies everything below a prefix of a bucket into a folder, as the store's administrator;
    /// returns the number of objects.
    ///
    /// # Errors
    /// When the store or the folder fails.
    pub fn download(&self, bucket: &str, prefix: &str, folder: &Path) -> anyhow::Result<usize> {
        let store = AmazonS3Builder::new()
            .with_endpoint(self.node.endpoint())
            .with_region("us-east-1")
            .with_allow_http(true)
            .with_access_key_id(&self.node.administrator.0)
            .with_secret_access_key(&self.node.administrator.1)
            .with_bucket_name(bucket)
            .build()?;
        let copied = async {
            let listed: Vec<_> = store.list(Some(&prefix.into())).try_collect().await?;
            for object in &listed {
                let path = folder.join(object.location.as_ref());
                fs::create_dir_all(path.parent().unwrap_or(folder))?;
                fs::write(path, store.get(&object.location).await?.bytes().await?)?;
            }
            anyhow::Ok(listed.len())
        };
        tokio::runtime::Runtime::new()?.block_on(copied)
    }

    /// The status that the store answers to the administrator who asks for a bucket.
    ///
    /// # Errors
    /// When the store does not answer.
    pub fn bucket_status(&self, bucket: &str) -> anyhow::Result<String> {
        let url = format!("{}/{bucket}", self.node.endpoint());
        let user = self.store_user();
        let arguments = [
            "-s",
            "--noproxy",
            "*",
            "--aws-sigv4",
            "aws:amz:us-east-1:s3",
            "--user",
            &user,
            "-o",
            "/dev/null",
            "-w",
            "%{http_code}",
            "-I",
            &url,
        ];
        self.run("curl", &arguments, None)
    }
}
