//! Which columns the settings of `[features]` ask for: groups, names, globs, profile and switches.
//!
//! Columns of the profile JF-EXTRA are beyond the reference's catalogue: they come where somebody asks for them, never by default
//! (docs/adr/0008).

use super::options::{FeatureSettings, Missing};
use super::plan::{FeaturePlan, Origin, Side};
use super::shape::{Pick, shaped};
use crate::schema::{Feature, Profile, Schema, Scope, Split, is_beyond};
use glob::Pattern;

/// A name in the settings that stands for no column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelectionError {
    /// The setting: `groups`, `only`, `add`, `drop`, `profile`, `order`, `rename`, or `derive`.
    pub key: &'static str,
    /// Its place in the list or table; `None` where there is none.
    pub index: Option<usize>,
    /// The name, without a leading `-`.
    pub name: String,
    /// Why it stands for none.
    pub absence: Absence,
    /// The names that would be right here, for did-you-mean.
    pub valid: Vec<String>,
}

/// Why a name stands for no column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Absence {
    /// There is no such group, feature or profile, or the glob matches none.
    Unknown,
    /// All of it belongs to groups that `groups` leaves out, such as this one.
    Group(String),
    /// It exists only while this setting is true.
    Switch(String),
    /// It is in no profile up to the one that is asked for; the smallest one that has it.
    Profile(String),
    /// It is none of the columns that the other settings leave.
    LeftOut,
    /// It is what sinks call this column.
    Renamed(String),
    /// Two columns would have it.
    Taken,
}

/// A column that could be had.
struct Candidate {
    feature: Feature,
    origin: Origin,
    /// Why it is not there, even if `only` names it.
    absence: Option<Absence>,
    /// Why it is not there, even if `add` names it: a setting that is off.
    off: Option<Absence>,
    /// Whether it is there without being named.
    is_usual: bool,
}

/// How `groups` takes a group.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Taken {
    Not,
    WithAll,
    ByName,
}

impl Candidate {
    /// Whether the column names the record or the row: its setting adds it whatever groups and features are asked for.
    fn is_identity(&self) -> bool {
        let switch = self.feature.when.as_deref();
        matches!(switch, Some("flow_id" | "flows.early" | "sources.sensor"))
    }
}

impl FeatureSettings {
    /// The columns that these settings ask for, in catalogue order.
    ///
    /// # Errors
    /// Every name that stands for no column.
    pub fn plan(&self) -> Result<FeaturePlan, Vec<SelectionError>> {
        if let Some(written) = &self.written {
            let nowhere = Origin {
                group: usize::MAX,
                column: 0,
                side: Side::All,
            };
            let given = (written.to_vec(), vec![nowhere; written.len()]);
            let picks = written.iter().cloned().zip((0..).map(Pick::whole));
            let plan = FeaturePlan::new(Box::new(self.clone()), given, picks.collect());
            return Ok(plan.showing(written.len()));
        }
        let mut errors = Vec::new();
        let groups = self.chosen_groups(&mut errors);
        let profile = self.chosen_profile(&mut errors);
        let mut candidates = self.candidates();
        for candidate in &mut candidates {
            candidate.off = self.off(&candidate.feature);
            candidate.absence = absence(candidate, &groups, profile);
            let beyond = candidate.feature.profile == Profile::Extra;
            candidate.is_usual = !beyond
                || candidate.is_identity()
                || profile == Some(Profile::Extra)
                || groups[candidate.origin.group] == (Taken::ByName, true);
        }
        let shared = &self.shared;
        let only = shared.only.as_deref().map(Globs::new);
        let added = shared.added();
        let [add, drop] = [&added, &shared.drop].map(|names| Globs::new(names));
        if let Some(only) = &only {
            let absence = |candidate: &Candidate| candidate.absence.clone();
            check("only", only, &candidates, &mut errors, absence);
        }
        let off = |candidate: &Candidate| candidate.off.clone();
        check("add", &add, &candidates, &mut errors, off);
        check("drop", &drop, &candidates, &mut errors, |_| None);
        if !errors.is_empty() {
            return Err(errors);
        }
        let columns = candidates.into_iter().filter(|candidate| {
            let name = &candidate.feature.name;
            let asked = match &only {
                Some(only) => only.list(name) || candidate.is_identity(),
                None => candidate.is_usual,
            };
            (asked && candidate.absence.is_none() || add.list(name) && candidate.off.is_none())
                && !drop.list(name)
        });
        let columns = columns.map(|candidate| (candidate.feature, candidate.origin));
        let mut columns: (Schema, Vec<Origin>) = columns.unzip();
        let mut shaped = shaped(&columns.0, shared);
        let visible = shaped.len();
        self.hide(&mut columns, &mut shaped);
        by_group(&mut columns, &mut shaped);
        Ok(FeaturePlan::new(Box::new(self.clone()), columns, shaped).showing(visible))
    }

    /// Adds what only expressions read, behind what is written: features, and measures of packets.
    fn hide(&self, columns: &mut (Schema, Vec<Origin>), shaped: &mut Vec<(Feature, Pick)>) {
        let (given, origins) = columns;
        let all = match self.hidden.is_empty() {
            true => Vec::new(),
            false => self.candidates(),
        };
        for candidate in all {
            let name = &candidate.feature.name;
            if !self.hidden.iter().any(|hidden| hidden == name) {
                continue;
            }
            let at = given.iter().position(|one| one.name == *name);
            let at = at.unwrap_or_else(|| {
                given.push(candidate.feature.clone());
                origins.push(candidate.origin);
                given.len() - 1
            });
            let whole = Pick::whole(at);
            if !shaped.iter().any(|(_, pick)| *pick == whole) {
                shaped.push((given[at].clone(), whole));
            }
        }
        for (column, aggregate) in self.aggregates.iter().enumerate() {
            given.push(aggregate.feature());
            origins.push(Origin {
                group: self.groups.len(),
                column,
                side: Side::All,
            });
            shaped.push((aggregate.feature(), Pick::whole(given.len() - 1)));
        }
    }

    /// Every feature that an expression may read, under its own name.
    pub fn readable(&self) -> Schema {
        if let Some(written) = &self.written {
            return written.to_vec();
        }
        let all = self.candidates().into_iter();
        // what tells records apart can be read whether or not it is written
        all.map(|candidate| candidate.feature)
            .filter(|feature| feature.name == "flow_id" || self.off(feature).is_none())
            .collect()
    }

    /// One entry a group: how it is taken, and whether all its columns are beyond the catalogue.
    fn chosen_groups(&self, errors: &mut Vec<SelectionError>) -> Vec<(Taken, bool)> {
        let listed = &self.shared.groups;
        // A list that only takes away takes away from all.
        let all = listed.iter().all(|name| name.starts_with('-'));
        let usual = |group: &dyn super::group::Group| match all
            && !listed.is_empty()
            && !group.is_named_only()
        {
            true => Taken::WithAll,
            false => Taken::Not,
        };
        let mut chosen: Vec<(Taken, bool)> = (self.groups.iter())
            .map(|group| (usual(&**group), is_beyond(&group.schema())))
            .collect();
        let mut taken_out = Vec::new();
        for (index, listed) in listed.iter().enumerate() {
            let name = listed.strip_prefix('-').unwrap_or(listed);
            let at = self.groups.iter().position(|group| group.name() == name);
            match at {
                Some(at) if name.len() < listed.len() => taken_out.push(at),
                Some(at) => chosen[at].0 = Taken::ByName,
                None if listed == "all" => {
                    for (group, (taken, _)) in self.groups.iter().zip(&mut chosen) {
                        if *taken == Taken::Not && !group.is_named_only() {
                            *taken = Taken::WithAll;
                        }
                    }
                }
                None => {
                    let names = self.groups.iter().map(|group| group.name().to_owned());
                    errors.push(SelectionError {
                        key: "groups",
                        index: Some(index),
                        name: name.to_owned(),
                        absence: Absence::Unknown,
                        valid: names.chain(["all".to_owned()]).collect(),
                    });
                }
            }
        }
        for at in taken_out {
            chosen[at].0 = Taken::Not;
        }
        chosen
    }

    fn chosen_profile(&self, errors: &mut Vec<SelectionError>) -> Option<Profile> {
        let name = self.shared.profile.as_deref()?;
        let profiles = Profile::NAMED;
        let found = profiles
            .into_iter()
            .find(|profile| profile.name() == name || profile.short_name() == name);
        if found.is_none() {
            errors.push(SelectionError {
                key: "profile",
                index: None,
                name: name.to_owned(),
                absence: Absence::Unknown,
                valid: profiles.map(|profile| profile.name().to_owned()).to_vec(),
            });
        }
        found
    }

    /// Every column there is, with those of `split` behind the one that they split.
    fn candidates(&self) -> Vec<Candidate> {
        let schemas: Vec<Schema> = self.groups.iter().map(|group| group.schema()).collect();
        let mut candidates = Vec::with_capacity(schemas.iter().map(Vec::len).sum());
        for (group, schema) in schemas.iter().enumerate() {
            let is_catalogued = |name: &str| {
                let of_name = |feature: &Feature| feature.name == name;
                let mut catalogued =
                    (schema.iter()).filter(|feature| feature.profile != Profile::Extra);
                catalogued.any(of_name)
            };
            // Columns beyond the catalogue give way to those that `split` makes.
            let is_split = |name: &str| {
                self.shared.split
                    && (schema.iter().filter(|feature| feature.split == Split::Yes)).any(
                        |feature| {
                            let end = name.strip_prefix(&*feature.name);
                            matches!(end, Some("_fwd" | "_bwd"))
                        },
                    )
            };
            let is_made =
                |feature: &Feature| feature.profile == Profile::Extra && is_split(&feature.name);
            for (column, feature) in schema.iter().enumerate() {
                if is_made(feature) {
                    continue;
                }
                let splits = self.shared.split && feature.split == Split::Yes;
                for side in [Side::All, Side::Forward, Side::Backward] {
                    if side != Side::All && !splits {
                        continue;
                    }
                    let mut feature = side.split(feature);
                    // `packets_with_payload_fwd` is there already, with the same definition.
                    if side != Side::All && is_catalogued(&feature.name) {
                        continue;
                    }
                    if self.shared.missing == Missing::Default {
                        fill_nulls(&mut feature);
                    }
                    candidates.push(Candidate {
                        feature,
                        origin: Origin {
                            group,
                            column,
                            side,
                        },
                        absence: None,
                        off: None,
                        is_usual: true,
                    });
                }
            }
        }
        candidates
    }

    /// The setting that switches it on, if that is off.
    fn off(&self, feature: &Feature) -> Option<Absence> {
        let switch = feature.when.as_ref()?;
        let on = match &**switch {
            "flows.early" => !self.stages.is_empty(),
            "sources.sensor" => self.has_sensor,
            switch => self.shared.switch(switch).unwrap_or(false),
        };
        (!on).then(|| Absence::Switch(switch.to_string()))
    }
}

/// Puts columns in the order of their groups, where those that are only read stand behind the others: each group by itself gives its
/// columns together.
fn by_group((given, origins): &mut (Schema, Vec<Origin>), shaped: &mut [(Feature, Pick)]) {
    let mut order: Vec<usize> = (0..origins.len()).collect();
    order.sort_by_key(|at| origins[*at].group);
    let mut places = vec![0; order.len()];
    for (to, from) in order.iter().enumerate() {
        places[*from] = to;
    }
    *given = order.iter().map(|from| given[*from].clone()).collect();
    *origins = order.iter().map(|from| origins[*from]).collect();
    for (_, pick) in shaped {
        *pick = pick.at(places[pick.column]);
    }
}

/// Why a column is not there, even if `only` names it.
fn absence(
    candidate: &Candidate,
    groups: &[(Taken, bool)],
    profile: Option<Profile>,
) -> Option<Absence> {
    let feature = &candidate.feature;
    if groups[candidate.origin.group].0 == Taken::Not && !candidate.is_identity() {
        return Some(Absence::Group(feature.group.to_string()));
    }
    if feature.when.is_some() {
        // Whoever turned the switch wants the column whatever the profile.
        return candidate.off.clone();
    }
    let outside = profile.is_some_and(|profile| feature.profile > profile);
    outside.then(|| Absence::Profile(feature.profile.name().to_owned()))
}

impl Side {
    /// The column for this side of a flow.
    fn split(self, feature: &Feature) -> Feature {
        let mut feature = feature.clone();
        let (end, scope, packets) = match self {
            Self::All => return feature,
            Self::Forward => ("fwd", Scope::Fwd, "initiator"),
            Self::Backward => ("bwd", Scope::Bwd, "responder"),
        };
        let empty = format!("no packet of the {packets}, and neither a count nor a boolean");
        feature.null = Some(match &feature.null {
            Some(null) => format!("{null} (over the packets of the {packets}); {empty}").into(),
            None => empty.into(),
        });
        feature.definition = format!(
            "Over the packets of the {packets} alone: {}",
            feature.definition
        )
        .into();
        feature.name = format!("{}_{end}", feature.name).into();
        feature.scope = scope;
        feature.split = Split::Is;
        feature.element = None;
        feature.differs = None;
        feature
    }
}

/// Declares that the default of the column is written for its nulls, if it has one.
fn fill_nulls(feature: &mut Feature) {
    let mut column = crate::columns::Column::new(&feature.data_type, false);
    if column.push_text(&feature.default) {
        feature.null = None;
    }
}

/// Reports each name that matches no candidate, or only such as are absent.
fn check(
    key: &'static str,
    names: &Globs<'_>,
    candidates: &[Candidate],
    errors: &mut Vec<SelectionError>,
    absence: impl Fn(&Candidate) -> Option<Absence>,
) {
    for (index, (name, named)) in names.0.iter().enumerate() {
        let matching = |candidate: &&Candidate| named.matches(&candidate.feature.name);
        let mut absences = candidates.iter().filter(matching).map(&absence);
        let absent = match absences.next() {
            None => Some(Absence::Unknown),
            // of those that are absent, the first tells why
            Some(first) => first.filter(|_| absences.all(|other| other.is_some())),
        };
        if let Some(absent) = absent {
            let there = candidates
                .iter()
                .filter(|candidate| absence(candidate).is_none());
            errors.push(SelectionError {
                key,
                index: Some(index),
                name: (*name).clone(),
                absence: absent,
                valid: there
                    .map(|candidate| candidate.feature.name.to_string())
                    .collect(),
            });
        }
    }
}

/// Names and globs of a setting.
pub(super) struct Globs<'a>(Vec<(&'a String, Named<'a>)>);

/// What an entry of a setting stands for.
enum Named<'a> {
    Name(&'a str),
    Glob(Pattern),
    /// What is no glob matches nothing.
    Nothing,
}

impl Named<'_> {
    fn matches(&self, name: &str) -> bool {
        match self {
            Self::Name(own) => *own == name,
            Self::Glob(glob) => glob.matches(name),
            Self::Nothing => false,
        }
    }
}

impl<'a> Globs<'a> {
    pub fn new(names: &'a [String]) -> Self {
        let named = |name: &'a String| match name.contains(['*', '?', '[']) {
            false => Named::Name(name),
            true => Pattern::new(name).map_or(Named::Nothing, Named::Glob),
        };
        Self(names.iter().map(|name| (name, named(name))).collect())
    }

    pub fn list(&self, name: &str) -> bool {
        self.0.iter().any(|(_, named)| named.matches(name))
    }
}
