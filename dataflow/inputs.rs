//! The inputs of a run: which there are, who reads them, and how the work on them is shared.
//!
//! Every process comes to the same answers, as all see the same files. Nothing is read here but what merging by time needs.

use crate::cluster::{self, Place};
use crate::plan::Plan;
use crate::run::Control;
use crate::topology::Sharing;
use operators::Error;
use operators::packet::BlockPool;
use operators::sources::{self, Bounds, CaptureInput, Faulty, Glance, Input, Merge, Slicing};
use std::cmp::Reverse;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Shortest and longest slice of a merged input, ns: a burst behind quiet first records must not make one epoch of everything.
const QUANTUM: (i64, i64) = (1_000, 1_000_000_000);

/// The inputs of a run, in the order that fixes their ordinals.
#[derive(Clone, Debug)]
pub struct Inputs {
    paths: Vec<(PathBuf, Bounds)>,
    /// Bytes of each when the run began, as far as they are known. Looked at once: a file may grow.
    sizes: Vec<u64>,
    first_times: Vec<i64>,
    /// How they are cut into epochs.
    pub slicing: Slicing,
    is_merged: bool,
    /// Whether one that cannot be read whole is an error.
    pub strict: bool,
}

impl Inputs {
    /// What the sources name; an input is opened only where it has to be merged.
    ///
    /// # Errors
    /// A source names nothing.
    pub fn of(plan: &Plan) -> Result<Self, Error> {
        let mut inputs = Self::list(plan)?;
        if inputs.is_merged {
            inputs.merge(plan.run.epoch);
        }
        Ok(inputs)
    }

    fn list(plan: &Plan) -> Result<Self, Error> {
        let mut paths = Vec::new();
        let (mut is_merged, mut strict) = (false, false);
        for (_, options) in plan.sources() {
            let listed = sources::list(options, Path::new("")).map_err(|errors| {
                let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
                Error::new(errors.join("; "))
                    .help("`jayflow check --deep` shows each place in the spec")
            })?;
            if options.follow && (listed.len() > 1 || plan.sources().count() > 1) {
                return Err(Error::new(
                    "`follow` reads one file on as it grows, and there are several inputs",
                )
                .help("name one file, or leave `follow` out"));
            }
            paths.extend(listed.into_iter().map(|path| (path, Bounds::from(options))));
            is_merged |= options.merge == Merge::All;
            strict |= options.errors == Faulty::Fail;
        }
        let size =
            |(path, _): &(PathBuf, Bounds)| std::fs::metadata(path).map_or(0, |about| about.len());
        Ok(Self {
            sizes: paths.iter().map(size).collect(),
            first_times: vec![0; paths.len()],
            slicing: Slicing::Packets(plan.run.epoch as u64),
            paths,
            is_merged,
            strict,
        })
    }

    /// Slices the input by time. Every process comes to the same slices, as all see the same files.
    fn merge(&mut self, epoch: usize) {
        let known: Vec<Option<Glance>> = self
            .paths
            .iter()
            .map(|(path, _)| sources::glance(path))
            .collect();
        let start = known.iter().flatten().map(|glance| glance.first).min();
        let start = start.unwrap_or(0);
        let first = |glance: &Option<Glance>| glance.map_or(start, |glance| glance.first);
        self.first_times = known.iter().map(first).collect();
        // the time that holds an epoch of packets in the busiest input
        let times = known.iter().flatten().map(|glance| {
            let epoch = u128::from(epoch as u64) * u128::from(glance.span.unsigned_abs());
            i64::try_from(epoch / u128::from(glance.records.max(1))).unwrap_or(i64::MAX)
        });
        let quantum = times.filter(|time| *time > 0).min().unwrap_or(0);
        self.slicing = Slicing::Time {
            start,
            quantum: quantum.clamp(QUANTUM.0, QUANTUM.1),
        };
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.paths.len()
    }

    /// Whether one of them may have to be waited for: a pipe, a device, or a file that grows.
    pub fn is_live(&self) -> bool {
        let waits = |(path, bounds): &(PathBuf, Bounds)| {
            let is_pipe = || std::fs::metadata(path).is_ok_and(|found| !found.is_file());
            bounds.follow.is_some() || path == Path::new("-") || is_pipe()
        };
        self.paths.iter().any(waits)
    }

    /// Whether one of them has no end of its own: a file that grows, without patience.
    pub fn is_endless(&self) -> bool {
        let endless = |(_, bounds): &(PathBuf, Bounds)| {
            let follow = bounds.follow.as_ref();
            follow.is_some_and(|follow| follow.patience.is_none())
        };
        self.paths.iter().any(endless)
    }

    /// How the work is shared: whole inputs where they have flows of their own and there are enough of them.
    pub fn sharing(&self, peers: usize) -> Sharing {
        if peers == 1 || (!self.is_merged && self.paths.len() >= peers) {
            Sharing::Inputs
        } else {
            Sharing::Packets
        }
    }

    /// The worker that reads each input: the largest first, each to the one with the least to read so far. Only the first has
    /// the standard input of the user.
    fn readers(&self, peers: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.sizes.len()).collect();
        order.sort_by_key(|ordinal| (Reverse(self.sizes[*ordinal]), *ordinal));
        let mut load = vec![(0u64, 0usize); peers];
        let mut readers = vec![0; self.sizes.len()];
        for ordinal in order {
            let least = (0..peers)
                .filter(|worker| *worker == 0 || self.paths[ordinal].0 != Path::new("-"))
                .min_by_key(|worker| (load[*worker], *worker))
                .unwrap_or(0);
            readers[ordinal] = least;
            load[least] = (load[least].0 + self.sizes[ordinal], load[least].1 + 1);
        }
        readers
    }

    /// What the processes of a run must agree on, as each looks at the files itself.
    pub fn agreement(&self, place: Place) -> String {
        let readers = self.readers(place.workers * place.processes);
        let Self {
            paths,
            first_times,
            slicing,
            ..
        } = self;
        format!("{paths:?} {first_times:?} {slicing:?} {readers:?}")
    }

    /// The names of the inputs, in order.
    pub fn names(&self) -> Vec<String> {
        let paths = self.paths.iter();
        paths.map(|(path, _)| path.display().to_string()).collect()
    }

    /// The files that a worker reads, where they hold rows.
    pub fn paths_of_worker(&self, index: usize, peers: usize) -> Vec<(u32, PathBuf, Bounds)> {
        let readers = self.readers(peers);
        (0u32..)
            .zip(&self.paths)
            .zip(readers)
            .filter(|(_, reader)| *reader == index)
            .map(|((source, (path, bounds)), _)| (source, path.clone(), *bounds))
            .collect()
    }

    /// The inputs that a worker reads; the progress of `control` is told how large they are.
    pub fn of_worker(&self, index: usize, peers: usize, control: &Control) -> Vec<Box<dyn Input>> {
        let pool = BlockPool::default();
        let readers = self.readers(peers);
        let all = self.paths.iter().zip(&self.first_times).enumerate();
        all.filter(|(ordinal, _)| readers[*ordinal] == index)
            .map(|(ordinal, ((path, bounds), first_time))| {
                control.progress.expect(self.sizes[ordinal]);
                Box::new(CaptureInput {
                    path: path.clone(),
                    source: u32::try_from(ordinal).unwrap_or(u32::MAX),
                    first_time: *first_time,
                    bounds: *bounds,
                    pool: pool.clone(),
                    progress: Arc::clone(&control.progress),
                    stop: Arc::clone(&control.stop),
                }) as Box<dyn Input>
            })
            .collect()
    }
}

/// How the work of a plan is shared on this machine, where its inputs are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Inputs that the sources name.
    pub inputs: usize,
    /// Processes.
    pub processes: usize,
    /// Workers of each.
    pub workers: usize,
    /// Whether packets go from worker to worker, to that of their flow; else each worker has whole inputs to itself.
    pub is_exchanged: bool,
}

impl Layout {
    /// Looks which inputs there are; opens none.
    ///
    /// # Errors
    /// A source names nothing, or the hosts file cannot be read.
    pub fn of(plan: &Plan) -> Result<Self, Error> {
        let inputs = Inputs::list(plan)?;
        let (processes, workers) = cluster::size(plan)?;
        Ok(Self {
            inputs: inputs.paths.len(),
            processes,
            workers,
            is_exchanged: inputs.sharing(processes * workers) == Sharing::Packets,
        })
    }
}
