//! `jayflow profiles`.

use super::diff::read;
use super::{Failure, Outcome, print};
use crate::Error;
use crate::spec::presets::PRESETS;
use crate::spec::suggest::did_you_mean;
use clap::{Args, Subcommand};
use operators::features::catalogue;
use operators::schema::{Feature, Profile};
use serde_json::json;
use std::fmt::Write as _;
use std::path::PathBuf;

/// Lists the named sets of features and the presets, shows one, or says whether a file of rows has all columns of one.
///
/// Each profile has the features of those before it. Example: `jayflow profiles show core`
#[derive(Args, Debug)]
pub struct Profiles {
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Lists the profiles with their sizes, and the presets.
    List {
        /// Prints the list as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Shows the features of a profile.
    Show {
        /// JJ-CORE, JJ-EXTENDED, JJ-EXPERIMENTAL or JF-EXTRA; also `core` and so on.
        profile: String,
        /// Only the features of this group.
        #[arg(long, value_name = "GROUP")]
        group: Option<String>,
        /// Prints names, groups, types and units as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Says whether a file of rows has every column of a profile: exit code 0, or 1 where one is missing.
    Validate {
        /// The profile.
        profile: String,
        /// The rows: .parquet .arrow .csv .jsonl.
        file: PathBuf,
    },
}

impl Profiles {
    /// Does what is asked for.
    pub(super) fn run(&self) -> Outcome {
        match &self.what {
            None | Some(What::List { json: false }) => print(&list()),
            Some(What::List { json: true }) => {
                let profiles = Profile::NAMED.map(
                    |profile| json!({ "name": profile.name(), "features": of(profile).len() }),
                );
                print(&format!("{:#}\n", json!(profiles)))
            }
            Some(What::Show {
                profile,
                group,
                json,
            }) => show(find(profile)?, group.as_deref(), *json),
            Some(What::Validate { profile, file }) => {
                let profile = find(profile)?;
                let table = read(file)?;
                let all = of(profile);
                let lacks: Vec<&str> = all
                    .iter()
                    .map(|feature| &*feature.name)
                    .filter(|name| !table.names.iter().any(|own| own == name))
                    .collect();
                let name = profile.name();
                let mut out = format!(
                    "{}: {} of the {} columns of {name}\n",
                    file.display(),
                    all.len() - lacks.len(),
                    all.len()
                );
                for lack in &lacks {
                    let _ = writeln!(out, "  {lack} is missing");
                }
                print(&crate::spec::diagnostic::visible_lines(&out))?;
                Ok(u8::from(!lacks.is_empty()))
            }
        }
    }
}

/// The features of a profile, with those of the profiles before it; not such as a setting of their own switches on.
fn of(profile: Profile) -> Vec<Feature> {
    let all = catalogue().into_iter();
    all.filter(|feature| feature.profile <= profile && feature.when.is_none())
        .collect()
}

fn find(name: &str) -> Result<Profile, Failure> {
    let fits = |profile: &Profile| profile.name() == name || profile.short_name() == name;
    Profile::NAMED.into_iter().find(fits).ok_or_else(|| {
        let known = Profile::NAMED.map(Profile::name);
        let help =
            did_you_mean(name, known).unwrap_or_else(|| format!("there are {}", known.join(", ")));
        Failure::Usage(Error::new(format!("no profile is named `{name}`")).help(help))
    })
}

fn list() -> String {
    let mut out = String::new();
    for profile in Profile::NAMED {
        let (name, short) = (profile.name(), profile.short_name());
        let _ = writeln!(
            out,
            "{name:<16} {short:<14} {:>4} features",
            of(profile).len()
        );
    }
    out.push_str("presets, for `extends` and `jayflow new --preset`:\n");
    for preset in PRESETS {
        let first = preset.text.lines().next().unwrap_or_default();
        let _ = writeln!(
            out,
            "{:<16} {}",
            preset.name,
            first.trim_start_matches(['#', ' '])
        );
    }
    out
}

fn show(profile: Profile, group: Option<&str>, json: bool) -> Outcome {
    let mut features = of(profile);
    if let Some(group) = group {
        let groups = operators::features::group_names();
        if !groups.contains(&group) {
            let help = did_you_mean(group, groups)
                .unwrap_or_else(|| "`jayflow schema --groups` lists them".to_owned());
            let error = Error::new(format!("no group is named `{group}`")).help(help);
            return Err(Failure::Usage(error));
        }
        features.retain(|feature| feature.group == group);
    }
    if json {
        let features = features.iter().map(|feature| {
            json!({
                "name": feature.name,
                "group": feature.group,
                "profile": feature.profile.name(),
                "type": feature.data_type,
                "unit": feature.unit,
            })
        });
        let features: Vec<_> = features.collect();
        return print(&format!("{:#}\n", json!(features)));
    }
    let width = features.iter().map(|feature| feature.name.len()).max();
    let width = width.unwrap_or(0);
    let mut out = String::new();
    for feature in &features {
        let (name, group) = (&feature.name, &feature.group);
        let _ = writeln!(
            out,
            "{name:<width$}  {group:<14} {}",
            feature.profile.name()
        );
    }
    print(&out)
}
