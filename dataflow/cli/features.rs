//! `jayflow features`.

use super::help::wrapped;
use super::{Failure, Outcome, print};
use crate::Error;
use crate::plan::type_name;
use crate::spec::suggest::did_you_mean;
use clap::Args;
use operators::features::{Cost, catalogue, costs, difference};
use operators::schema::{Feature, Profile};
use std::fmt::Write as _;

/// Lists the features, those of a group, or explains one.
///
/// Example: `jayflow features timing`
#[derive(Args, Debug)]
pub struct Features {
    /// A group, a feature, or a glob such as `iat_*`.
    query: Option<String>,
}

impl Features {
    /// Prints the list or the explanation.
    pub(super) fn run(&self) -> Outcome {
        let all = catalogue();
        let Some(query) = &self.query else {
            return print(&list(&all));
        };
        let glob = glob::Pattern::new(query).ok();
        let found: Vec<Feature> = all
            .iter()
            .filter(|feature| {
                let glob = glob.as_ref();
                feature.group == *query || glob.is_some_and(|glob| glob.matches(&feature.name))
            })
            .cloned()
            .collect();
        match &found[..] {
            [] => {
                let names = all
                    .iter()
                    .flat_map(|feature| [&*feature.name, &*feature.group]);
                let help = did_you_mean(query, names)
                    .unwrap_or_else(|| "`jayflow features` lists all".to_owned());
                Err(Failure::Usage(
                    Error::new(format!("no feature or group is named `{query}`")).help(help),
                ))
            }
            [one] if one.name == *query => {
                let place = all.iter().position(|other| other.name == one.name);
                let cost = place.and_then(|place| costs().get(place).copied());
                print(&explained(one, cost))
            }
            several => print(&list(several)),
        }
    }
}

/// One feature a line, below the name of its group.
fn list(features: &[Feature]) -> String {
    let width = features.iter().map(|feature| feature.name.len()).max();
    let width = width.unwrap_or(0);
    let mut out = String::new();
    let mut group = "";
    for feature in features {
        if feature.group != group {
            let gap = if out.is_empty() { "" } else { "\n" };
            let _ = writeln!(out, "{gap}{}", feature.group);
            group = &feature.group;
        }
        let named = match feature.profile {
            Profile::Extra => " (JF-EXTRA)",
            _ => "",
        };
        let unit = match &*feature.unit {
            "" => String::new(),
            unit => format!(" [{unit}]"),
        };
        let _ = writeln!(
            out,
            "  {:<width$}  {}{unit}{named}  {}",
            feature.name,
            type_name(&feature.data_type),
            feature.definition
        );
    }
    out
}

fn explained(feature: &Feature, cost: Option<Cost>) -> String {
    let or = |text: &str, other: &str| match text {
        "" => other.to_owned(),
        text => text.to_owned(),
    };
    let mut out = format!("{}\n\n{}\n\n", feature.name, wrapped(&feature.definition));
    let element = feature
        .element
        .map_or("none".to_owned(), |number| number.to_string());
    for (what, text) in [
        ("group", feature.group.to_string()),
        ("type", type_name(&feature.data_type)),
        ("unit", or(&feature.unit, "none")),
        (
            "null",
            feature.null.as_deref().unwrap_or("never").to_owned(),
        ),
        ("default", or(&feature.default, "none")),
        ("profile", feature.profile.name().to_owned()),
        ("split", format!("{:?}", feature.split).to_lowercase()),
        (
            "switched on by",
            feature.when.as_deref().unwrap_or("always on").to_owned(),
        ),
        ("IPFIX element", element),
        (
            "source",
            or(feature.source.as_deref().unwrap_or(""), "none"),
        ),
        ("cost", cost.as_ref().map_or_else(String::new, cost_of)),
    ] {
        let _ = writeln!(out, "{what:<15} {text}");
    }
    if let Some(why) = feature.differs.as_deref().and_then(difference) {
        let _ = write!(out, "\ndiffers from JoyfulJay\n{}\n", wrapped(why));
    }
    out
}

/// What a column costs, if nothing else is asked for.
fn cost_of(cost: &Cost) -> String {
    let needs = &cost.needs;
    let reads = match needs.class() {
        "messages" => "streams put in order and parsed".to_owned(),
        "payload" => format!("the first {} payload bytes of each packet", needs.payload),
        "headers" => "the captured headers of each packet".to_owned(),
        _ => "decoded header fields".to_owned(),
    };
    format!(
        "{}: {reads}; {} B/flow in its group",
        needs.class(),
        cost.state
    )
}
