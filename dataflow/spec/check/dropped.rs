//! Derived columns that a spec declares and nothing uses.

use super::Loaded;
use crate::spec::diagnostic::Diagnostic;
use crate::spec::{Sink, Spec};
use operators::expressions::Typed;
use operators::expressions::lookups::LOOK_UPS;
use std::collections::BTreeSet;

impl Loaded {
    /// A warning for each column that the spec itself derives (not one that it extends), that no sink writes and that nothing reads.
    pub(super) fn dropped(&self, spec: &Spec) -> Vec<Diagnostic> {
        // what reads the columns of files is known when they are, and a golden file may have any column
        let is_open = spec.joins.iter().any(|join| join.options.joined.is_none())
            || spec
                .tests
                .iter()
                .any(|test| test.options.options.golden.is_some());
        if is_open || spec.derived.is_empty() {
            return Vec::new();
        }
        let used = spec.used();
        let columns = spec.derived.places().iter().zip(&spec.derived.schema);
        let unused: BTreeSet<&str> = columns
            .filter(|(place, _)| !used.contains(place))
            .map(|(_, column)| &*column.name)
            .collect();
        let section = self.root.iter().find(|entry| entry.name == "features");
        let entries = section.and_then(|entry| entry.value.entries());
        let own = entries.unwrap_or_default();
        // `[features]`, or `[features.NAME]`
        let named = own.iter().filter_map(|entry| entry.value.entries());
        let written = own
            .iter()
            .chain(named.flatten())
            .filter(|entry| entry.name == "derive")
            .filter_map(|entry| entry.value.entries())
            .flatten()
            .filter(|entry| entry.at.source == 0 && unused.contains(entry.name.as_str()));
        let warning = written.map(|entry| {
            let path = format!("features.derive.{}", entry.name);
            let message = format!("`{}` is dropped everywhere", entry.name);
            Diagnostic::new("W0403", entry.at, path, message).help(
                "nothing reads it and no sink writes it: add it to the `columns` of one, or take it out",
            )
        });
        warning.collect()
    }
}

impl Spec {
    /// The places of what something writes or reads.
    fn used(&self) -> BTreeSet<u32> {
        let mut used = BTreeSet::new();
        let sinks = || self.sinks.iter().map(|sink| &sink.options);
        let filters = || self.filters.iter().map(|filter| &filter.options);
        let tests = || self.tests.iter().map(|test| &test.options);
        let expected = || tests().flat_map(|test| &test.expect);
        // those of tables read the columns of these
        let of_rows = || sinks().filter(|sink| sink.table.is_none());
        let conditions = of_rows()
            .filter_map(|sink| sink.condition.as_ref())
            .chain(filters().flat_map(|filter| &filter.conditions));
        conditions.for_each(|typed| add(typed, &mut used));
        used.extend(filters().flat_map(|filter| filter.dedup.iter().copied()));
        for join in self.joins.iter().map(|join| &join.options) {
            used.extend(join.on.iter().map(|(_, place)| *place).chain(join.time));
        }
        let views = self.views.iter().map(|view| &*view.options.rules);
        let asserted = tests().flat_map(|test| test.assert.iter().map(|one| &one.rules));
        let sources = views.chain(asserted).flat_map(|rules| &rules.sources);
        used.extend(sources.flat_map(|source| source.program.loads()));
        // tests name columns as sinks do
        let conditions = expected().filter_map(|one| one.condition.as_ref());
        let conditions = conditions.chain(tests().flat_map(|test| &test.none));
        conditions.for_each(|condition| add(&condition.typed, &mut used));
        let named: BTreeSet<&str> = expected()
            .flat_map(|one| one.columns.iter().map(|(name, _)| name.as_str()))
            .collect();
        let places = self.derived.places();
        for (place, column) in places.iter().zip(&self.derived.schema) {
            let renames = &self.features.options.shared.rename.0;
            let renamed = renames.iter().find(|(old, _)| *old == column.name);
            let names = [Some(&*column.name), renamed.map(|(_, new)| new.as_str())];
            if names.iter().flatten().any(|name| named.contains(name)) {
                used.insert(*place);
            }
        }
        let first = self.columns.schema.len() + self.look_ups.values().count();
        let written = of_rows().flat_map(Sink::places);
        used.extend(written.filter_map(|at| places.get(at.checked_sub(first)?)));
        // what these are made of
        let mut open: Vec<u32> = used.iter().copied().collect();
        while let Some(place) = open.pop() {
            let mut needs = BTreeSet::new();
            match self.derived.expression(place) {
                _ if place >= LOOK_UPS => needs.extend(self.look_ups.reads(place)),
                Some(typed) => add(typed, &mut needs),
                None => {}
            }
            open.extend(needs.into_iter().filter(|need| used.insert(*need)));
        }
        used
    }
}

fn add(typed: &Typed, to: &mut BTreeSet<u32>) {
    typed.loads(&mut |place| {
        to.insert(place);
    });
}
