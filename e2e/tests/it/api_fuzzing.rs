//! Schemathesis against the live service: every answer is one the OpenAPI file promises.

use std::process::Command;

use oscar_e2e::{Delivery, Installation, workspace_root};
use oscar_peers::{OidcProvider, required_in_ci, schemathesis};

#[test]
fn generated_requests_of_analyst_and_steward_get_only_documented_answers() {
    let Some(schemathesis) = required_in_ci(schemathesis()) else { return };
    let Some(provider) = required_in_ci(OidcProvider::start()) else { return };
    let installation = Installation::on_disk(&provider).unwrap();
    let taken = installation.intake(&Delivery::write(300).unwrap()).unwrap();
    assert!(taken.status.success(), "{}", String::from_utf8_lossy(&taken.stderr));
    let served = installation.serve().unwrap();
    for user in ["alice", "dave"] {
        served.log_in(&provider, user).unwrap_or_else(|error| panic!("{user}: {error:#}"));
        let output = Command::new(&schemathesis)
            .arg("--config-file")
            .arg(workspace_root().join("e2e/schemathesis.toml"))
            .args(["run", &format!("{}/v1/openapi.json", served.url), "--checks", "all", "--max-examples", "12"])
            .args(["--seed", "1", "--workers", "1", "--no-color", "--generation-database", "none"])
            .args(["--header", &format!("Authorization: Bearer {}", served.token(user).unwrap())])
            .current_dir(installation.folder())
            .output()
            .unwrap();
        assert!(output.status.success(), "as {user}:\n{}", String::from_utf8_lossy(&output.stdout));
    }
}
