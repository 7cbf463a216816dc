//! Cases as files: `testdata/{allow,deny}/<policy>/<case>.yaml`; the README describes them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use crate::request::{Admission, Request};

/// A case, with everything that it takes over from another one.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    /// `allow/<policy>/<case>`.
    pub(crate) path: String,
    pub(crate) admission: Admission,
    /// What a denial must say.
    pub(crate) message: Option<String>,
}

/// The file.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct File {
    about: String,
    /// Another case whose request and objects are taken over.
    #[serde(default)]
    like: Option<String>,
    #[serde(default)]
    request: Option<Request>,
    /// A file of `testdata/namespaces`; left out, the one of the request's namespace.
    #[serde(default)]
    namespace_object: Option<String>,
    #[serde(default)]
    object: Option<Value>,
    #[serde(default)]
    old_object: Option<Value>,
    /// Changes by JSON pointer to `request`, `object` and `oldObject`; null removes.
    #[serde(default)]
    set: BTreeMap<String, Value>,
    #[serde(default)]
    message: Option<String>,
}

fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata")
}

fn yaml<T: serde::de::DeserializeOwned>(path: &str) -> T {
    let text =
        fs::read_to_string(testdata().join(format!("{path}.yaml"))).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// One case.
pub(crate) fn case(path: &str) -> Case {
    let file: File = yaml(path);
    assert!(!file.about.is_empty(), "{path}: says nothing about itself");
    let mut admission = file.like.as_deref().map(|like| case(like).admission).unwrap_or_default();
    if let Some(request) = file.request {
        admission.request = request;
    }
    admission.object = file.object.or(admission.object);
    admission.old_object = file.old_object.or(admission.old_object);
    for (pointer, value) in file.set {
        change(&mut admission, &pointer, value).unwrap_or_else(|| panic!("{path}: {pointer} leads nowhere"));
    }
    let Request { namespace, .. } = &admission.request;
    admission.namespace = match file.namespace_object {
        Some(name) => Some(yaml(&format!("namespaces/{name}"))),
        None if namespace.is_empty() || admission.request.plural() == "namespaces" => None,
        None => Some(yaml(&format!("namespaces/{namespace}"))),
    };
    Case { path: path.to_owned(), admission, message: file.message }
}

/// All cases of `allow/<policy>` or `deny/<policy>`, in order.
pub(crate) fn cases(kind: &str, policy: &str) -> Vec<Case> {
    let folder = testdata().join(kind).join(policy);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    names.sort();
    names.iter().map(|name| case(&format!("{kind}/{policy}/{name}"))).collect()
}

/// The folders of `allow` or `deny`.
pub(crate) fn folders(kind: &str) -> Vec<String> {
    let entries = fs::read_dir(testdata().join(kind)).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn change(admission: &mut Admission, pointer: &str, value: Value) -> Option<()> {
    let (root, path) = pointer.strip_prefix('/')?.split_once('/').unwrap_or((pointer.strip_prefix('/')?, ""));
    match root {
        "request" => change_request(&mut admission.request, path, value),
        "object" => change_object(&mut admission.object, path, value),
        "oldObject" => change_object(&mut admission.old_object, path, value),
        _ => None,
    }
}

fn change_request(request: &mut Request, field: &str, value: Value) -> Option<()> {
    if field == "groups" {
        request.groups = serde_json::from_value(value).ok()?;
        return Some(());
    }
    let text = value.as_str()?.to_owned();
    let Request { operation, user, groups: _, resource, version, subresource, name, namespace } = request;
    *match field {
        "operation" => operation,
        "user" => user,
        "resource" => resource,
        "version" => version,
        "subresource" => subresource,
        "name" => name,
        "namespace" => namespace,
        _ => return None,
    } = text;
    Some(())
}

fn change_object(object: &mut Option<Value>, path: &str, value: Value) -> Option<()> {
    if path.is_empty() {
        *object = (!value.is_null()).then_some(value);
        return Some(());
    }
    let (parent, field) = path.rsplit_once('/').unwrap_or(("", path));
    let parent = if parent.is_empty() { String::new() } else { format!("/{parent}") };
    let field = field.replace("~1", "/").replace("~0", "~");
    match (object.as_mut()?.pointer_mut(&parent)?, value) {
        (Value::Object(fields), Value::Null) => drop(fields.remove(&field)?),
        (Value::Object(fields), value) => drop(fields.insert(field, value)),
        (Value::Array(items), Value::Null) => drop(items.remove(field.parse().ok()?)),
        (Value::Array(items), value) if field == "-" => items.push(value),
        (Value::Array(items), value) => *items.get_mut(field.parse::<usize>().ok()?)? = value,
        _ => return None,
    }
    Some(())
}
