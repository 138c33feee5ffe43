//! Typed expressions as one list of instructions: what several of them have in common is computed once.

use super::check::{Node, Typed};
use super::eval::{self, Input, Operation, Payload};
use super::types::{Constant, Type};
use super::vector::{CHUNK, Vector};
use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// The instructions of some expressions. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Program {
    instructions: Arc<[Instruction]>,
    /// For each instruction, the results that none behind it reads.
    done: Arc<[Vec<usize>]>,
    outputs: Arc<[usize]>,
    /// Rows at a time.
    chunk: usize,
}

/// Entries of a list that is written out with which whole chunks are computed; an entry that is text counts as so many.
const ENTRIES: usize = 64;

#[derive(Debug)]
enum Instruction {
    /// A field.
    Load(u32, Type),
    /// A value, [`CHUNK`] times.
    Constant(Vector<'static>),
    /// An operation on the results of earlier instructions.
    Call(&'static Operation, Payload, Vec<usize>),
}

/// What tells instructions apart.
#[derive(PartialEq, Eq, Hash)]
enum Key {
    Load(u32),
    Constant(String, Type),
    Call(&'static Operation, Payload, Vec<usize>),
}

/// Instructions in the making.
#[derive(Default)]
pub struct Builder {
    instructions: Vec<Instruction>,
    known: HashMap<Key, usize>,
    /// What stands for a field that is computed itself.
    defined: HashMap<u32, usize>,
    /// Entries of the longest list that is written out.
    widest: usize,
}

impl Builder {
    /// Adds what an expression needs, and gives where its result is.
    pub fn add(&mut self, typed: &Typed) -> usize {
        let (key, make): (Key, Box<dyn FnOnce() -> Instruction>) = match &typed.node {
            Node::Load(place) => {
                if let Some(at) = self.defined.get(place) {
                    return *at;
                }
                let (place, kind) = (*place, typed.kind.clone());
                (
                    Key::Load(place),
                    Box::new(move || Instruction::Load(place, kind)),
                )
            }
            Node::Constant(value) => {
                let text = match value {
                    Constant::Float(value) => format!("{:x}", value.to_bits()),
                    other => format!("{other:?}"),
                };
                let (value, kind) = (value.clone(), typed.kind.clone());
                let key = Key::Constant(text, kind.clone());
                (
                    key,
                    Box::new(move || Instruction::Constant(Vector::constant(&value, &kind, CHUNK))),
                )
            }
            Node::Call(operation, payload, args) => {
                if **operation == eval::LIST_OF {
                    let is_text = |arg: &Typed| matches!(arg.kind, Type::Text | Type::Bytes);
                    let each = if args.iter().any(is_text) { ENTRIES } else { 1 };
                    self.widest = self.widest.max(args.len() * each);
                }
                let args: Vec<usize> = args.iter().map(|arg| self.add(arg)).collect();
                let (operation, payload) = (*operation, payload.clone());
                let key = Key::Call(operation, payload.clone(), args.clone());
                (
                    key,
                    Box::new(move || Instruction::Call(operation, payload, args)),
                )
            }
        };
        if let Some(at) = self.known.get(&key) {
            return *at;
        }
        let at = self.instructions.len();
        self.instructions.push(make());
        self.known.insert(key, at);
        at
    }

    /// Lets a field stand for the result of an expression that was added.
    pub fn define(&mut self, place: u32, result: usize) {
        self.defined.insert(place, result);
    }

    /// The program that gives these results.
    pub fn build(self, outputs: Vec<usize>) -> Program {
        let mut seen: HashSet<usize> = outputs.iter().copied().collect();
        let mut done = vec![Vec::new(); self.instructions.len()];
        for (done, instruction) in done.iter_mut().zip(&self.instructions).rev() {
            if let Instruction::Call(_, _, args) = instruction {
                done.extend(args.iter().copied().filter(|arg| seen.insert(*arg)));
            }
        }
        Program {
            chunk: (CHUNK * ENTRIES / self.widest.max(ENTRIES)).max(1),
            instructions: self.instructions.into(),
            done: done.into(),
            outputs: outputs.into(),
        }
    }
}

/// Where the fields of a chunk come from.
pub trait Fields<'a> {
    /// The values of a field.
    fn load(&self, place: u32, kind: &Type) -> Vector<'a>;
}

impl Program {
    /// The program of these expressions, one result each.
    pub fn new<'t>(expressions: impl IntoIterator<Item = &'t Typed>) -> Self {
        let mut builder = Builder::default();
        let outputs = expressions
            .into_iter()
            .map(|typed| builder.add(typed))
            .collect();
        builder.build(outputs)
    }

    /// The fields that are read.
    pub fn loads(&self) -> impl Iterator<Item = u32> + '_ {
        self.fields().map(|(place, _)| place)
    }

    /// The fields that are read, and their types.
    pub fn fields(&self) -> impl Iterator<Item = (u32, &Type)> + '_ {
        self.instructions.iter().filter_map(|one| match one {
            Instruction::Load(place, kind) => Some((*place, kind)),
            _ => None,
        })
    }

    /// Rows to be computed in one go: fewer where lists are long.
    pub const fn chunk(&self) -> usize {
        self.chunk
    }

    /// Number of instructions.
    pub fn len(&self) -> usize {
        self.instructions.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.instructions.is_empty()
    }

    /// Computes all instructions for `rows` rows, [`CHUNK`] at most, and gives `each` result to the caller, in the order of the
    /// expressions. `overflows` counts numbers that were too large for their type.
    pub fn run<'a>(
        &'a self,
        fields: &impl Fields<'a>,
        rows: usize,
        overflows: &Cell<u64>,
        mut each: impl FnMut(usize, &Vector<'_>),
    ) {
        let results = self.compute(fields, rows, overflows);
        for at in 0..self.outputs.len() {
            each(at, results.of(at));
        }
    }

    /// The results for `rows` rows, [`CHUNK`] at most.
    pub fn compute<'a>(
        &'a self,
        fields: &impl Fields<'a>,
        rows: usize,
        overflows: &Cell<u64>,
    ) -> Results<'a> {
        debug_assert!(rows <= CHUNK);
        let mut results: Vec<Vector<'a>> = Vec::with_capacity(self.instructions.len());
        for (instruction, done) in self.instructions.iter().zip(self.done.iter()) {
            let result = match instruction {
                Instruction::Load(place, kind) => fields.load(*place, kind),
                Instruction::Constant(values) => values.head(rows),
                Instruction::Call(operation, payload, args) => {
                    let args: Vec<&Vector<'_>> = args.iter().map(|arg| &results[*arg]).collect();
                    (operation.kernel)(&Input {
                        args: &args,
                        rows,
                        payload,
                        overflows,
                    })
                }
            };
            debug_assert_eq!(result.len(), rows, "{instruction:?}");
            results.push(result);
            // what is held at once does not grow with the program
            for at in done {
                results[*at] = Vector::bools(Vec::new());
            }
        }
        Results {
            results,
            outputs: &self.outputs,
        }
    }
}

/// What a program gives for a chunk.
pub struct Results<'a> {
    results: Vec<Vector<'a>>,
    outputs: &'a [usize],
}

impl<'a> Results<'a> {
    /// The result of an expression, by its place among them.
    pub fn of(&self, at: usize) -> &Vector<'a> {
        &self.results[self.outputs[at]]
    }
}
