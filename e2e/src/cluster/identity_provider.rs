//! The identity provider of the tests, over TLS.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::process::Command;

use anyhow::ensure;
use oscar_peers::{OidcProvider, OidcTls};

/// A provider at `address`, with a certificate of an authority of its own (`ca.crt` in `folder`).
///
/// # Errors
/// When it does not start.
pub(super) fn start(folder: &Path, address: Ipv4Addr) -> anyhow::Result<OidcProvider> {
    let path = |name: &str| folder.join(name);
    let openssl = |arguments: &[&str]| -> anyhow::Result<()> {
        let output = Command::new("openssl").args(arguments).current_dir(folder).output()?;
        ensure!(output.status.success(), "openssl: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    };
    let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    let authority =
        ["req", "-x509", "-days", "30", "-subj", "/CN=identity authority", "-keyout", "ca.key", "-out", "ca.crt"];
    openssl(&[&authority[..], &key].concat())?;
    let request = ["req", "-subj", "/CN=identity provider", "-keyout", "idp.key", "-out", "idp.csr"];
    openssl(&[&request[..], &key].concat())?;
    fs::write(path("idp.ext"), format!("subjectAltName=IP:{address}\nextendedKeyUsage=serverAuth\n"))?;
    openssl(&[
        "x509",
        "-req",
        "-days",
        "30",
        "-in",
        "idp.csr",
        "-CA",
        "ca.crt",
        "-CAkey",
        "ca.key",
        "-CAcreateserial",
        "-extfile",
        "idp.ext",
        "-out",
        "idp.crt",
    ])?;
    let address = IpAddr::V4(address);
    let (certificate, key, authority) = (path("idp.crt"), path("idp.key"), path("ca.crt"));
    let tls = OidcTls { address, certificate: &certificate, key: &key, authority: &authority };
    Ok(OidcProvider::start_tls(tls)?)
}
