//! `charts/Dockerfile`, as far as it can be tried without a container engine: it says what
//! charts, blueprint and tests expect of the images, and the step that puts together their
//! files is run, and the programs started in what it made.

use std::path::{Path, PathBuf};
use std::process::Command;

use oscar_e2e::{binary, workspace_root};
use oscar_peers::{in_ci, skipped};
use serde_json::Value;

/// The images' targets and the programs in them.
const IMAGES: [(&str, &str); 2] = [("operator", "oscar-operator"), ("lake-api", "lake-api")];

fn file(path: &str) -> String {
    std::fs::read_to_string(workspace_root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// All Rust below a folder.
fn sources(folder: &Path) -> String {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let text = |path: PathBuf| match path.extension() {
        None => sources(&path),
        Some(_) => std::fs::read_to_string(path).unwrap(),
    };
    entries.map(text).collect()
}

/// The instructions of the Dockerfile, continued lines joined.
fn instructions() -> Vec<String> {
    let text = file("charts/Dockerfile");
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
    lines
        .join("\n")
        .replace("\\\n", "")
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect()
}

/// The instructions of the stage with this name, without its FROM.
fn stage(name: &str) -> Vec<String> {
    let all = instructions();
    let from = all.iter().position(|line| line.starts_with("FROM ") && line.ends_with(&format!(" AS {name}")));
    let from = from.unwrap_or_else(|| panic!("no stage {name}"));
    all[from + 1..].iter().take_while(|line| !line.starts_with("FROM ")).cloned().collect()
}

/// The texts in quotes that follow `before` in a source.
fn quoted_after<'s>(source: &'s str, before: &str) -> Vec<&'s str> {
    source.split(before).skip(1).filter_map(|rest| rest.split('"').nth(1)).collect()
}

#[test]
fn the_images_are_what_charts_blueprint_and_cluster_expect() {
    let cluster = sources(&workspace_root().join("e2e/src"));
    let mut user = quoted_after(&cluster, r#""--user""#);
    user.retain(|user| user.split(':').all(|number| number.parse::<u32>().is_ok()));
    let entrypoints = quoted_after(&cluster, r#""--entrypoint""#);
    assert_eq!(user.len(), 1, "{user:?}");
    let number = user[0].split(':').next().unwrap();
    for (image, program) in IMAGES {
        let stage = stage(image);
        let says = |line: &str| {
            assert!(stage.iter().any(|said| said == line), "the stage {image} does not say {line}: {stage:?}");
        };
        says(&format!("COPY --from=build /images/{program} /"));
        says(&format!("USER {}", user[0]));
        says(&format!(r#"ENTRYPOINT ["/{program}"]"#));
        assert!(entrypoints.contains(&&*format!("/{program}")), "the cluster's image starts {entrypoints:?}");
        assert!(binary(program).is_file());
    }
    let operator = file("charts/oscar-host/templates/deployment.yaml");
    assert!(operator.contains(&format!("runAsUser: {number}\n")) && !operator.contains("command:"));
    for kind in ["Deployment", "ExtractJob", "ProbeJob"] {
        let snapshot = file(&format!("operator/blueprint/tests/it/snapshots/it__snapshots__{kind}.snap"));
        let mut object: Value = serde_json::from_str(snapshot.splitn(3, "---\n").nth(2).unwrap()).unwrap();
        let object = if object.is_array() { object[0].take() } else { object };
        let pod = &object["spec"]["template"]["spec"];
        assert_eq!(pod["securityContext"]["runAsUser"].to_string(), number, "{kind}");
        assert_eq!(pod["containers"][0].get("command"), None, "{kind} starts something else than the image does");
    }
}

#[test]
fn the_images_are_built_from_pinned_tools_and_from_what_the_clone_holds() {
    let all = instructions();
    let manifest = file("Cargo.toml");
    let rust = manifest.lines().find_map(|line| line.strip_prefix("rust-version = ")).unwrap().trim_matches('"');
    for from in all.iter().filter_map(|line| line.strip_prefix("FROM ")) {
        let image = from.split(' ').next().unwrap();
        let pinned = image == "scratch" || image.starts_with(&format!("rust:{rust}."));
        assert!(pinned, "{image} is not Rust {rust} with all its digits");
    }
    let auditable = all.iter().find(|line| line.contains("cargo install cargo-auditable")).unwrap();
    assert!(auditable.contains("--locked") && auditable.contains("--version "), "{auditable}");
    assert!(all.iter().any(|line| line.contains("cargo auditable build --locked --workspace --bins --release")));
    for copied in all.iter().filter_map(|line| line.strip_prefix("COPY ")).filter(|line| !line.starts_with("--from=")) {
        let from = copied.split(' ').next().unwrap();
        assert!(workspace_root().join(from).exists(), "{from} is not in the workspace");
    }
}

#[test]
fn nothing_that_is_compiled_is_kept_from_the_images_build() {
    let ignored = file(".dockerignore");
    let ignored: Vec<&str> = ignored.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
    let patterns = ignored.iter().filter(|line| line.contains('*'));
    assert_eq!(
        patterns.copied().collect::<Vec<_>>(),
        ["**/__pycache__", "**/*.profraw"],
        "say here why a pattern hides no source"
    );
    let manifest = file("Cargo.toml");
    let members = manifest.split("members = [").nth(1).unwrap().split(']').next().unwrap();
    let members = members.split(',').map(|member| member.trim().trim_matches('"')).filter(|member| !member.is_empty());
    for needed in members.chain(["Cargo.toml", "Cargo.lock", "policies/profiles"]) {
        let top = needed.split('/').next().unwrap();
        assert!(!ignored.contains(&top) && !ignored.contains(&needed), "{needed} is ignored");
    }
}

/// The command that puts the images' files together, on the programs and into the folder given.
fn assembling(programs: &Path, images: &Path) -> String {
    let step = instructions().into_iter().find(|line| line.contains("for program in ")).unwrap();
    let step = step.trim_start_matches("RUN ").replace("/programs/", &format!("{}/", programs.display()));
    step.replace("root=/images/", &format!("root={}/", images.display()))
}

#[test]
fn both_programs_start_in_the_file_system_that_the_dockerfile_makes() {
    let root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0");
    let debian = Path::new("/etc/debian_version").exists();
    if !root || !debian {
        assert!(!in_ci(), "continuous integration is root on Debian");
        return skipped("putting an image's files together needs root on Debian, like the Dockerfile's first stage");
    }
    let folder = tempfile::tempdir().unwrap();
    let programs = binary("lake-api").parent().unwrap().to_owned();
    let output = Command::new("sh").args(["-c", &assembling(&programs, folder.path())]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for (_, program) in IMAGES {
        let image = folder.path().join(program);
        for needed in
            ["etc/ssl/certs/ca-certificates.crt", "etc/passwd", "etc/os-release", "var/lib/dpkg/status.d/libc6"]
        {
            assert!(
                std::fs::metadata(image.join(needed)).is_ok_and(|file| file.is_file() && file.len() > 0),
                "{program}: {needed}"
            );
        }
        let started = Command::new("chroot")
            .arg("--userspec=65532:65532")
            .arg(&image)
            .arg(format!("/{program}"))
            .arg("--version")
            .output();
        let started = started.unwrap();
        assert!(started.status.success(), "{program}: {}", String::from_utf8_lossy(&started.stderr));
        assert!(!image.join("bin").exists(), "{program}: there is a shell");
    }
}
