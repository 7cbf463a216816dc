//! Offline verification: the key, the receipt, the content, the journal. No server is
//! asked anything.

use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::VerifyingKey;
use ed25519_dalek::pkcs8::DecodePublicKey as _;
use object_store::ObjectStore;
use oscar_journal::{VerifyError, VerifyOptions, VerifyReport, verifying_key_from_hex};
use oscar_permit::Sha256Digest;
use oscar_vetting::{Receipt, SignedReceipt};

use super::CliError;
use crate::api::keys::VerifyingKeys;

/// Checks the receipt's signature and that `content` is one of the files it names; the
/// receipt and that file's name come back.
pub(crate) fn receipt(receipt: &[u8], content: &[u8], key: &VerifyingKey) -> Result<(Receipt, String), CliError> {
    let failed = |error: oscar_vetting::ReceiptError| CliError::Verification(error.to_string());
    let signed = SignedReceipt::from_json(receipt).map_err(failed)?;
    let receipt = signed.verify_signature(key).map_err(failed)?;
    let digest = Sha256Digest::of(content);
    let name = receipt.outputs.iter().find(|(_, output)| **output == digest).map(|(name, _)| name.clone());
    match name {
        Some(name) => Ok((receipt.clone(), name)),
        None => Err(CliError::Verification(
            "the receipt is genuine, but the file is none of those it speaks of: it was changed, or belongs to another release".into(),
        )),
    }
}

/// Checks a whole journal, against a checkpoint kept elsewhere where there is one.
pub(crate) async fn journal(
    store: &Arc<dyn ObjectStore>,
    key: &VerifyingKey,
    checkpoint: Option<Vec<u8>>,
) -> Result<VerifyReport, CliError> {
    let options = VerifyOptions { trusted_checkpoint: checkpoint.map(Into::into) };
    oscar_journal::verify(store.as_ref(), key, &options).await.map_err(|error| match error {
        VerifyError::Unsound(findings) => {
            let lines: Vec<String> = findings.iter().map(|finding| format!("  {finding}")).collect();
            CliError::Journal(lines.len(), lines.join("\n"))
        }
        VerifyError::Store(_) => CliError::Failed(error.to_string()),
    })
}

/// Reads a verifying key in any of its three written forms.
pub(crate) fn read_key(path: &Path) -> Result<VerifyingKey, CliError> {
    let text = std::fs::read_to_string(path).map_err(CliError::file("the key file"))?;
    parse_key(&text).ok_or_else(|| {
        CliError::Usage(
            "the key file must hold a PEM public key, the JSON of /v1/keys, or 64 hexadecimal digits".into(),
        )
    })
}

/// A verifying key in any of its three written forms.
pub(crate) fn parse_key(text: &str) -> Option<VerifyingKey> {
    let text = text.trim();
    if text.starts_with('{') {
        let keys: VerifyingKeys = serde_json::from_str(text).ok()?;
        // More than one key would make "verified" mean "by whichever".
        let [key] = keys.keys.as_slice() else { return None };
        if key.kty != "OKP" || key.crv != "Ed25519" {
            return None;
        }
        let bytes: [u8; 32] = URL_SAFE_NO_PAD.decode(&key.x).ok()?.try_into().ok()?;
        return VerifyingKey::from_bytes(&bytes).ok();
    }
    if text.starts_with("-----BEGIN") {
        return VerifyingKey::from_public_key_pem(text).ok();
    }
    verifying_key_from_hex(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ed25519_dalek::SigningKey;
    use ed25519_dalek::pkcs8::EncodePublicKey as _;
    use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;

    #[test]
    fn all_three_forms_give_the_same_key_and_nonsense_gives_none() {
        let key = SigningKey::from_bytes(&[7; 32]).verifying_key();
        let pem = key.to_public_key_pem(LineEnding::LF).unwrap();
        let jwk = format!(
            r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","use":"sig","kid":"k","x":"{}"}}]}}"#,
            URL_SAFE_NO_PAD.encode(key.as_bytes())
        );
        for text in [pem.as_str(), jwk.as_str(), &hex::encode(key.as_bytes())] {
            assert_eq!(parse_key(text), Some(key));
        }
        for text in ["", "{}", r#"{"keys":[]}"#, "-----BEGIN PUBLIC KEY-----", "00"] {
            assert_eq!(parse_key(text), None);
        }
    }
}
