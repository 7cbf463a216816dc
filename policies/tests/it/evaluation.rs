//! A policy's answer to a request.

use kube_cel::KubeCelExt;
use kube_cel::cel::{Context, Program, Value as Cel};
use serde_json::{Value, json};

use crate::matching::covers;
use crate::policy::PolicyFile;
use crate::request::Admission;

/// One expression that did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The number of the validation.
    pub(crate) validation: usize,
    pub(crate) message: String,
    /// It could not be evaluated; the request is denied all the same (`failurePolicy: Fail`).
    pub(crate) broken: bool,
}

/// What a policy says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The policy does not look at such requests.
    NotAsked,
    /// It has settings, and they are missing.
    NoSettings,
    /// All expressions were evaluated.
    Judged { faults: Vec<Fault>, audit: Vec<(String, String)> },
}

impl Answer {
    pub(crate) fn allows(&self) -> bool {
        match self {
            Self::NotAsked => true,
            Self::NoSettings => false,
            Self::Judged { faults, audit: _ } => faults.is_empty(),
        }
    }
}

/// Asks a policy.
pub(crate) fn ask(policy: &PolicyFile, admission: &Admission, settings: Option<&Value>) -> Answer {
    let spec = policy.spec();
    if !covers(spec.match_constraints.as_ref().unwrap(), admission) {
        return Answer::NotAsked;
    }
    let settings = spec.param_kind.as_ref().map(|_| settings);
    if settings == Some(None) {
        return Answer::NoSettings;
    }
    let mut context = context(admission, settings.flatten());
    for condition in spec.match_conditions.iter().flatten() {
        match run(&condition.expression, &context) {
            Ok(Cel::Bool(true)) => {}
            Ok(Cel::Bool(false)) => return Answer::NotAsked,
            other => panic!("{}: {}: {other:?}", policy.name, condition.name),
        }
    }
    bind_variables(policy, &mut context);
    let faults = spec.validations.iter().flatten().enumerate().filter_map(|(validation, rule)| {
        let (message, broken) = match run(&rule.expression, &context) {
            Ok(Cel::Bool(true)) => return None,
            Ok(Cel::Bool(false)) => {
                (said(rule.message_expression.as_deref(), rule.message.as_deref(), &context), false)
            }
            other => (format!("{other:?}"), true),
        };
        Some(Fault { validation, message, broken })
    });
    let faults = faults.collect();
    let audit = spec.audit_annotations.iter().flatten().filter_map(|annotation| {
        match run(&annotation.value_expression, &context) {
            // The API server leaves empty ones out.
            Ok(Cel::String(text)) if text.is_empty() => None,
            Ok(Cel::String(text)) => Some((annotation.key.clone(), text.to_string())),
            other => panic!("{}: {}: {other:?}", policy.name, annotation.key),
        }
    });
    let audit = audit.collect();
    Answer::Judged { faults, audit }
}

fn context(admission: &Admission, settings: Option<&Value>) -> Context<'static> {
    let Admission { request, namespace, object, old_object } = admission;
    let mut context = Context::default().with_all();
    // A word for the API server's type checker, which is not here.
    context.add_function("dyn", |value: Cel| Ok::<Cel, kube_cel::cel::ExecutionError>(value));
    let values = [
        ("request", request.variable()),
        ("object", json!(object)),
        ("oldObject", json!(old_object)),
        ("namespaceObject", json!(namespace)),
        ("params", json!(settings)),
    ];
    for (name, value) in values {
        context.add_variable(name, value).unwrap();
    }
    context
}

/// Variables may use those before them. The API server evaluates one when an expression asks
/// for it; one that cannot be evaluated is left out here, so that asking for it fails too.
fn bind_variables(policy: &PolicyFile, context: &mut Context<'static>) {
    let mut variables = std::collections::HashMap::<String, Cel>::new();
    context.add_variable_from_value("variables", variables.clone());
    for variable in policy.spec().variables.iter().flatten() {
        if let Ok(value) = run(&variable.expression, context) {
            variables.insert(variable.name.clone(), value);
            context.add_variable_from_value("variables", variables.clone());
        }
    }
}

fn run(expression: &str, context: &Context<'static>) -> Result<Cel, String> {
    let program = Program::compile(expression).unwrap_or_else(|error| panic!("{expression}\n{error}"));
    program.execute(context).map_err(|error| error.to_string())
}

fn said(expression: Option<&str>, message: Option<&str>, context: &Context<'static>) -> String {
    match expression.map(|expression| run(expression, context)) {
        Some(Ok(Cel::String(text))) => text.to_string(),
        Some(other) => panic!("message expression: {other:?}"),
        None => message.expect("every denial says why").to_owned(),
    }
}
