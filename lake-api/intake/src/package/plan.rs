//! The whole delivery, resolved.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use oscar_permit::{DataPermit, DatasetContract, Sha256Digest, canonical_json};

use super::cell_format::days;
use super::contract::{dataset_contract, table_contract};
use super::descriptor::{DeliveryMode, Descriptor};
use super::error::{MOST_RESOURCES, PackageError, ResourceError, without_values};
use super::person_numbers::place_of_person_number;
use super::resource::{
    PendingReference, PersonPlan, ReferencePlan, ReferencedFields, ResourceContext, ResourcePlan, positions,
};

const LARGEST_DESCRIPTOR: u64 = 16 * 1024 * 1024;
const DEFAULT_QUARANTINE_PERCENT: f64 = 1.0;

/// A delivery that can be read from beginning to end.
#[derive(Debug)]
pub(crate) struct DeliveryPlan {
    /// What makes two deliveries the same one: descriptor (with the digests of all files),
    /// permit, and what the permit allows to be stored.
    pub(crate) digest: Sha256Digest,
    pub(crate) mode: DeliveryMode,
    /// Share of a table's rows that may be quarantined.
    pub(crate) quarantine_share: f64,
    /// Referenced tables before the tables that refer to them.
    pub(crate) resources: Vec<Arc<ResourcePlan>>,
    pub(crate) contract: DatasetContract,
}

impl DeliveryPlan {
    /// Reads a package: a descriptor or the folder it lies in. Data files lie beside the
    /// descriptor or in `files_folder`.
    pub(crate) fn read(
        package: &Path,
        files_folder: Option<&Path>,
        permit: &DataPermit,
        now: DateTime<Utc>,
    ) -> Result<Self, PackageError> {
        let path = descriptor_path(package)?;
        let size = fs::metadata(&path).map_err(PackageError::NoDescriptor)?.len();
        if size > LARGEST_DESCRIPTOR {
            return Err(PackageError::DescriptorSize);
        }
        let bytes = fs::read(&path).map_err(PackageError::NoDescriptor)?;
        let descriptor = parse(&bytes)?;
        let beside = path.parent().map_or_else(|| PathBuf::from("."), Path::to_path_buf);
        let beside = if beside.as_os_str().is_empty() { PathBuf::from(".") } else { beside };
        let folder = files_folder.unwrap_or(&beside);
        let digest = delivery_digest(&bytes, permit)?;
        resolve(&descriptor, digest, folder, permit, now)
    }
}

fn descriptor_path(package: &Path) -> Result<PathBuf, PackageError> {
    if !package.is_dir() {
        return Ok(package.to_path_buf());
    }
    let names = ["datapackage.json", "datapackage.yaml", "datapackage.yml"];
    names
        .iter()
        .map(|name| package.join(name))
        .find(|path| path.is_file())
        .ok_or_else(|| PackageError::NoDescriptor(std::io::Error::from(std::io::ErrorKind::NotFound)))
}

fn parse(bytes: &[u8]) -> Result<Descriptor, PackageError> {
    let text = std::str::from_utf8(bytes).map_err(|_| PackageError::Syntax("it is not UTF-8".into()))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let is_json = text.trim_start().starts_with('{');
    // YAML through a JSON value, so that both forms are read by the same rules.
    let value: serde_json::Value = if is_json {
        serde_json::from_str(text).map_err(|error| syntax(&error))?
    } else {
        serde_saphyr::from_str(text).map_err(|error| syntax(&error))?
    };
    // Before anything else, because what follows may repeat names and words in its errors.
    if let Some(place) = place_of_person_number(&value) {
        return Err(PackageError::PersonNumber(place));
    }
    // From the text once more: a value no longer knows that a name was written twice.
    if is_json { serde_json::from_str(text) } else { serde_json::from_value(value) }.map_err(|error| syntax(&error))
}

/// Parsers quote what they cannot read.
fn syntax(error: &impl std::fmt::Display) -> PackageError {
    PackageError::Syntax(without_values(&error.to_string()))
}

fn delivery_digest(descriptor: &[u8], permit: &DataPermit) -> Result<Sha256Digest, PackageError> {
    let identity = serde_json::json!({
        "descriptor": Sha256Digest::of(descriptor),
        "permit": permit.id,
        "freeText": permit.free_text,
    });
    Ok(Sha256Digest::of(canonical_json(&identity)?))
}

fn resolve(
    descriptor: &Descriptor,
    digest: Sha256Digest,
    folder: &Path,
    permit: &DataPermit,
    now: DateTime<Utc>,
) -> Result<DeliveryPlan, PackageError> {
    if descriptor.resources.is_empty() {
        return Err(PackageError::Empty);
    }
    if descriptor.resources.len() > MOST_RESOURCES {
        return Err(PackageError::TooManyResources);
    }
    let section = &descriptor.oscar;
    let percent = section.quarantine_percent.unwrap_or(DEFAULT_QUARANTINE_PERCENT);
    if !(0.0..=100.0).contains(&percent) {
        return Err(PackageError::QuarantinePercent);
    }
    if section.identifier_space.is_none() && section.holder.trim() != section.holder {
        return Err(PackageError::HolderBlanks);
    }
    let identifier_space = match (&section.identifier_space, section.holder.as_str()) {
        (Some(space), _) => space.as_str(),
        (None, "") => section.dataset.as_str(),
        (None, holder) => holder,
    };
    if identifier_space.chars().any(char::is_control) {
        return Err(PackageError::IdentifierSpace);
    }
    let context =
        ResourceContext { folder, dataset: &section.dataset, identifier_space, permit, today: days(now.date_naive()) };
    let mut contract = dataset_contract(descriptor);
    let mut resources: Vec<ResourcePlan> = Vec::new();
    let mut pending: Vec<Vec<PendingReference>> = Vec::new();
    for resource in &descriptor.resources {
        let named = |problem| PackageError::Resource { resource: resource.name.clone(), problem };
        let (plan, references, section) = ResourcePlan::of(resource, &context).map_err(named)?;
        let table = table_contract(resource, &plan, &section).map_err(named)?;
        if contract.tables.insert(plan.table.clone(), table).is_some() {
            return Err(PackageError::DuplicateTable(plan.table));
        }
        resources.push(plan);
        pending.push(references);
    }
    contract.validate()?;
    if section.delivery == DeliveryMode::Append
        && let Some(plan) = resources.iter().find(|plan| matches!(plan.person, PersonPlan::Rows { .. }))
    {
        let problem = ResourceError::unsupported(
            "adding rows to a table whose persons are row numbers",
            "deliver the whole dataset (delivery: full), or name the persons in a field",
        );
        return Err(PackageError::Resource { resource: plan.name.clone(), problem });
    }
    let order = connect(&mut resources, &pending)?;
    Ok(DeliveryPlan {
        digest,
        mode: section.delivery,
        quarantine_share: percent / 100.0,
        resources: sort(resources, &order),
        contract,
    })
}

/// Resolves the foreign keys; returns for every resource how deep it lies below the ones it refers to.
fn connect(resources: &mut [ResourcePlan], pending: &[Vec<PendingReference>]) -> Result<Vec<usize>, PackageError> {
    let mut edges: Vec<(usize, usize)> = Vec::new();
    for (from, references) in pending.iter().enumerate() {
        for reference in references {
            let from_name = resources.get(from).map(|plan| plan.name.clone()).unwrap_or_default();
            let named = |problem| PackageError::Resource { resource: from_name.clone(), problem };
            let to = resources.iter().position(|plan| plan.name == reference.resource);
            let to = to.ok_or_else(|| named(ResourceError::UnknownResource(reference.resource.clone())))?;
            let resolved = resolve_reference(resources, from, to, reference).map_err(named)?;
            if let Some(plan) = resources.get_mut(from) {
                plan.references.push(resolved);
            }
            edges.push((from, to));
        }
    }
    let mut depth = vec![0usize; resources.len()];
    // In a graph without circles no path is longer than the number of resources.
    for _ in 0..=resources.len() {
        let mut changed = false;
        for (from, to) in &edges {
            let below = depth.get(*to).map_or(0, |depth| depth + 1);
            if let Some(slot) = depth.get_mut(*from)
                && *slot < below
            {
                *slot = below;
                changed = true;
            }
        }
        if !changed {
            return Ok(depth);
        }
    }
    Err(PackageError::Circle)
}

fn resolve_reference(
    resources: &mut [ResourcePlan],
    from: usize,
    to: usize,
    reference: &PendingReference,
) -> Result<ReferencePlan, ResourceError> {
    let shape = || ResourceError::ReferenceShape(reference.resource.clone());
    let (own, target) = resources.get(from).zip(resources.get(to)).ok_or_else(shape)?;
    let fields = positions(&reference.targets, &target.places, "a foreign key's reference")?;
    let person = place_of_person(own, &reference.fields, target, &fields);
    let logical_type = |plan: &ResourcePlan, index: usize| Some(plan.fields.get(index)?.format.logical_type());
    let pairs = reference.fields.iter().zip(&fields).enumerate();
    let mut others = pairs.filter(|(place, _)| Some(*place) != person);
    if !others.all(|(_, (one, other))| logical_type(own, *one) == logical_type(target, *other)) {
        return Err(shape());
    }
    let (fields, table) = (ReferencedFields { fields, as_person: person.is_some() }, target.table.clone());
    let target = resources.get_mut(to).ok_or_else(shape)?;
    let key = target.provides.iter().position(|provided| *provided == fields).unwrap_or_else(|| {
        target.provides.push(fields);
        target.provides.len() - 1
    });
    Ok(ReferencePlan { fields: reference.fields.clone(), as_person: person.is_some(), table, key })
}

/// Where both lists of fields have the person key, when it is one of the same kind: a person is the same one
/// whatever the writing and the type.
fn place_of_person(own: &ResourcePlan, fields: &[usize], target: &ResourcePlan, targets: &[usize]) -> Option<usize> {
    let ((own, form), (target, other)) = own.person_field().zip(target.person_field())?;
    let place = fields.iter().position(|field| *field == own)?;
    (targets.get(place) == Some(&target) && form.is_identifier() == other.is_identifier()).then_some(place)
}

fn sort(resources: Vec<ResourcePlan>, depth: &[usize]) -> Vec<Arc<ResourcePlan>> {
    let mut keyed: Vec<(usize, ResourcePlan)> = depth.iter().copied().zip(resources).collect();
    keyed.sort_by_key(|(depth, _)| *depth);
    keyed.into_iter().map(|(_, plan)| Arc::new(plan)).collect()
}
