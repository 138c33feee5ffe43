//! Look-ups: `view("name", key, ...).column`, or `view("name.relation", key, ...).column`.

use super::{Checked, Checker, Node, Place, Typed};
use crate::expressions::fault::Fault;
use crate::expressions::lookups::{LOOK_UPS, LookUp, Viewed, ViewedRelation};
use crate::expressions::syntax::{Argument, Expr, Kind, Span};
use crate::expressions::types::Type;

impl Checker<'_> {
    /// A value of a view; `whole` is the call without its column.
    pub(super) fn look_up(
        &mut self,
        at: Span,
        arguments: &[Argument],
        whole: &Expr,
        (column, column_at): (&str, Span),
    ) -> Checked<Typed> {
        if self.place != Place::Rows || self.look_ups.is_none() {
            let message = "a view can be looked up only for rows of flows";
            let fault = Fault::new("E0214", at, message);
            let help = "write it in `derive`, or in `where` of a filter or sink";
            return Err(Box::new(fault.help(help)));
        }
        let mut values = Vec::new();
        for argument in arguments {
            match argument {
                Argument {
                    name: None,
                    value: Some(value),
                    filter: None,
                } => values.push(value),
                _ => {
                    let message = "a look-up takes the name of a view and its key";
                    let fault = Fault::new("E0214", whole.at, message);
                    return Err(Box::new(
                        fault.help("write `view(\"name\", src_ip).column`"),
                    ));
                }
            }
        }
        let (Some(first), keys) = (values.first(), values.get(1..).unwrap_or_default()) else {
            let message = "a look-up takes the name of a view and its key";
            let fault = Fault::new("E0214", whole.at, message);
            return Err(Box::new(
                fault.help("write `view(\"name\", src_ip).column`"),
            ));
        };
        let Kind::Text(name) = &first.kind else {
            let message = "the name of a view is written out";
            let fault = Fault::new("E0214", first.at, message);
            return Err(Box::new(
                fault.help("write `view(\"name\", src_ip).column`"),
            ));
        };
        let (view, place) = self.relation(name, first.at)?;
        let (view_name, relation) = (view.name.clone(), view.relations[place].clone());
        let keys = self.keys(name, &relation, keys, whole)?;
        let found = relation.columns.iter().position(|(one, _)| one == column);
        let Some(found) = found else {
            let message = format!("`{name}` has no column `{column}`");
            let names = relation.columns.iter().map(|(name, _)| name.clone());
            let all: Vec<String> = names.clone().map(|name| format!("`{name}`")).collect();
            let fault = Fault::new("E0201", column_at, message).known(names.collect());
            return Err(Box::new(
                fault.help(format!("its columns are {}", all.join(", "))),
            ));
        };
        let kind = relation.columns[found].1.clone();
        let whole = Span {
            start: whole.at.start,
            end: column_at.end,
        };
        let asked = LookUp {
            view: view_name,
            relation: place,
            keys,
            column: found,
            kind: kind.clone(),
            text: whole.of(self.text).to_owned(),
        };
        let Some(all) = self.look_ups.as_mut() else {
            return Err(Box::new(Fault::new("", at, "")));
        };
        let same = |one: &LookUp| one.is_beside(&asked) && one.column == asked.column;
        let known = all.iter().position(same);
        let place = known.unwrap_or_else(|| {
            all.push(asked);
            all.len() - 1
        });
        Ok(Typed {
            node: Node::Load(LOOK_UPS + u32::try_from(place).unwrap_or(0)),
            kind,
            // there may be no such row
            null: true,
        })
    }

    /// The view, and the place of its relation.
    fn relation(&self, name: &str, at: Span) -> Checked<(&Viewed, usize)> {
        let views = self.context.views();
        let (head, tail) = match name.split_once('.') {
            Some((head, tail)) => (head, Some(tail)),
            None => (name, None),
        };
        let quoted = |name: &str| format!("`{name}`");
        let Some(view) = views.iter().find(|view| view.name == head) else {
            let fault = Fault::new("E0302", at, format!("no view is named `{head}`"));
            let known: Vec<String> = views.iter().map(|view| view.name.clone()).collect();
            let help = match known.is_empty() {
                true => "the spec has no view: add `[views.NAME]`".to_owned(),
                false => {
                    let all: Vec<String> = known.iter().map(|name| quoted(name)).collect();
                    format!("its views are {}", all.join(", "))
                }
            };
            let same = |name: String| match tail {
                Some(tail) => format!("{name}.{tail}"),
                None => name,
            };
            let known = known.into_iter().map(same).collect();
            return Err(Box::new(fault.help(help).known(known)));
        };
        let names = || view.relations.iter().map(|one| one.name.as_str());
        let full = || names().map(|name| format!("{head}.{name}"));
        let all = || {
            full()
                .map(|name| quoted(&name))
                .collect::<Vec<_>>()
                .join(", ")
        };
        match (tail, &view.relations[..]) {
            (_, []) if view.reads_rows => {
                let message =
                    format!("`{head}` reads rows, which look things up before it has them");
                let fault = Fault::new("E0304", at, message);
                Err(Box::new(fault.help("look up a view over flow records")))
            }
            // told where the view is
            (_, []) => Err(Box::new(Fault::new("", at, "the view has a fault"))),
            (None, [_]) => Ok((view, 0)),
            (None, _) => {
                let message = format!("`{head}` has several relations");
                let fault = Fault::new("E0303", at, message);
                Err(Box::new(fault.help(format!("name one: {}", all()))))
            }
            (Some(tail), _) => match names().position(|name| name == tail) {
                Some(place) => Ok((view, place)),
                None => {
                    let message = format!("`{head}` has no relation `{tail}`");
                    let fault = Fault::new("E0302", at, message);
                    let fault = fault.help(format!("its relations are {}", all()));
                    Err(Box::new(fault.known(full().collect())))
                }
            },
        }
    }

    /// The key, as values of the key columns.
    fn keys(
        &mut self,
        name: &str,
        relation: &ViewedRelation,
        values: &[&Expr],
        whole: &Expr,
    ) -> Checked<Vec<Typed>> {
        let columns = || relation.keys.iter().map(|at| &relation.columns[*at]);
        if values.len() != relation.keys.len() {
            let columns: Vec<&str> = columns().map(|(name, _)| name.as_str()).collect();
            let message = match columns.len() {
                0 => format!("`{name}` has one row and no key, found {}", values.len()),
                1 => format!(
                    "the key of `{name}` is `{}`, found {} values",
                    columns[0],
                    values.len()
                ),
                count => format!(
                    "the key of `{name}` has {count} parts, {}; found {}",
                    columns.join(", "),
                    values.len()
                ),
            };
            let message = message.replace("found 1 values", "found 1 value");
            let fault = Fault::new("E0214", whole.at, message);
            let key: Vec<String> = columns.iter().map(|name| format!(", {name}")).collect();
            let help = match columns.len() == relation.columns.len() && columns.len() > 1 {
                true => "nothing in it is aggregated, so that all of its columns are its key; let a rule or `group_by` gather its rows".to_owned(),
                false => format!("write `view(\"{name}\"{}).column`", key.concat()),
            };
            return Err(Box::new(fault.help(help)));
        }
        let mut keys = Vec::new();
        for (value, (column, kind)) in values.iter().zip(columns()) {
            let typed = self.check(value)?;
            let fits = typed.kind == *kind
                || typed.kind == Type::Null
                || (&typed.kind, kind) == (&Type::Int, &Type::Float);
            if !fits {
                let message = format!("`{column}` of `{name}` is {kind}, found {}", typed.kind);
                return Err(Box::new(Fault::new("E0207", value.at, message)));
            }
            keys.push(typed.promoted(kind));
        }
        Ok(keys)
    }
}
