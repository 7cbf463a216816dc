//! The charts' alerts and dashboard: by Prometheus' own tool, and against what the programs
//! really export.

use std::collections::BTreeSet;
use std::process::{Command, Output};

use oscar_e2e::workspace_root;
use oscar_peers::{in_ci, skipped};
use serde_json::{Value, json};

use crate::exported_metrics::{Exported, TENANT, exported};
use crate::promql::mentioned;

/// Whether `promtool` is here; continuous integration installs it (Debian's package `prometheus`).
fn promtool() -> bool {
    let answers = || Command::new("promtool").arg("--version").output().is_ok_and(|output| output.status.success());
    if !answers() && in_ci() {
        let install = "apt-get -qq update && apt-get -qq install -y --no-install-recommends prometheus";
        let _ = Command::new("sh").args(["-c", install]).env("DEBIAN_FRONTEND", "noninteractive").output();
    }
    let there = answers();
    if !there {
        skipped("promtool is not installed (Debian's package prometheus)");
    }
    there
}

fn assert_passed(output: &Output) {
    let said = [output.stdout.as_slice(), &output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
}

fn file(name: &str) -> String {
    std::fs::read_to_string(workspace_root().join("charts/oscar-host/files").join(name)).unwrap()
}

/// An expression of the dashboard or of an alert, and the labels that its texts show.
struct Question {
    asked_by: String,
    expression: String,
    shown: Vec<String>,
}

/// The labels in a text for people: `{{tenant}}` of Grafana, `{{ $labels.tenant }}` of an alert.
fn shown_labels(text: &str) -> Vec<String> {
    let templates = text.split("{{").skip(1).filter_map(|rest| rest.split_once("}}"));
    templates.map(|(name, _)| name.trim().trim_start_matches("$labels.").to_owned()).collect()
}

/// What the dashboard asks, its variables replaced as Grafana would.
fn of_the_dashboard() -> Vec<Question> {
    let dashboard: Value = serde_json::from_str(&file("dashboard.json")).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut questions = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let expression = text(&target["expr"]).replace("$__rate_interval", "5m").replace("$tenant", ".*");
            let shown = shown_labels(target["legendFormat"].as_str().unwrap());
            questions.push(Question { asked_by: text(&panel["title"]), expression, shown });
        }
    }
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        let query = text(&variable["query"]);
        if let Some((metric, label)) = query.strip_prefix("label_values(").and_then(|query| query.split_once(", ")) {
            let shown = vec![label.trim_end_matches(')').to_owned()];
            questions.push(Question { asked_by: text(&variable["name"]), expression: metric.to_owned(), shown });
        }
    }
    questions
}

fn of_the_alerts() -> Vec<Question> {
    let alerts: Value = serde_saphyr::from_str(&file("alerts.yaml")).unwrap();
    let groups = alerts["groups"].as_array().unwrap().iter();
    let rules = groups.flat_map(|group| group["rules"].as_array().unwrap());
    let question = |rule: &Value| Question {
        asked_by: rule["alert"].as_str().unwrap().to_owned(),
        expression: rule["expr"].as_str().unwrap().to_owned(),
        shown: shown_labels(&rule["annotations"].to_string()),
    };
    rules.map(question).collect()
}

#[test]
fn the_alerts_wake_somebody_up_when_they_should_and_not_before() {
    if promtool() {
        let rules = workspace_root().join("charts/oscar-host/files/alerts_test.yaml");
        assert_passed(&Command::new("promtool").args(["test", "rules"]).arg(rules).output().unwrap());
    }
}

#[test]
fn the_dashboard_and_the_alerts_ask_only_for_what_the_programs_export() {
    let Some(exported) = exported() else { return };
    let monitoring = workspace_root().join("charts/oscar-host/templates/monitoring.yaml");
    assert!(std::fs::read_to_string(monitoring).unwrap().contains(&format!("targetLabel: {TENANT}")));
    let questions: Vec<Question> = of_the_dashboard().into_iter().chain(of_the_alerts()).collect();
    assert!(questions.len() > 20, "only {} questions are found", questions.len());
    for Question { asked_by, expression, shown } in questions {
        let asked = mentioned(&expression);
        assert!(!asked.metrics.is_empty(), "“{asked_by}” asks for nothing: {expression}");
        let mut known = BTreeSet::new();
        for metric in &asked.metrics {
            let labels = exported.get(metric);
            known.extend(labels.unwrap_or_else(|| panic!("“{asked_by}” asks for {metric}, which nobody exports")));
        }
        for label in asked.labels.iter().chain(&shown) {
            assert!(known.contains(label), "“{asked_by}” uses the label {label}, which {:?} lack", asked.metrics);
        }
    }
}

/// A series of each name with all its labels, counting up; of a histogram two buckets.
fn counting_up(exported: &Exported) -> Vec<Value> {
    let mut series = Vec::new();
    for (name, labels) in exported {
        let buckets: &[&str] = if labels.contains("le") { &["1", "+Inf"] } else { &["none"] };
        for bucket in buckets {
            let value = |label: &String| if label == "le" { (*bucket).to_owned() } else { format!("any {label}") };
            let labels: Vec<String> = labels.iter().map(|label| format!("{label}={:?}", value(label))).collect();
            series.push(json!({"series": format!("{name}{{{}}}", labels.join(",")), "values": "0+1x60"}));
        }
    }
    series
}

#[test]
fn every_panel_of_the_dashboard_shows_something_once_the_programs_have_worked() {
    let Some(exported) = exported() else { return };
    if promtool() {
        let answered = |question: Question| {
            let expression = format!("count({}) > bool 0", question.expression);
            json!({"expr": expression, "eval_time": "30m", "exp_samples": [{"labels": "{}", "value": 1}]})
        };
        let questions: Vec<Value> = of_the_dashboard().into_iter().map(answered).collect();
        let test = json!({"interval": "1m", "input_series": counting_up(exported), "promql_expr_test": questions});
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("test.yaml");
        std::fs::write(&path, json!({"rule_files": [], "tests": [test]}).to_string()).unwrap();
        assert_passed(&Command::new("promtool").args(["test", "rules"]).arg(path).output().unwrap());
    }
}
