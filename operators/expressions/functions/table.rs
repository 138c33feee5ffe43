//! The list of functions.

use super::Kind::{
    Bool, Bytes, Duration, First, Float, Int, Ip, Item, ListAny, ListDuration, ListFloat, ListInt,
    ListText, Text, Time,
};
use super::{Form, Function};
use crate::expressions::eval;

/// `name [folds] "what it does" "example" = "value": TAKES -> GIVES by OPERATION [or last], ...;`
macro_rules! functions {
    ($($name:literal $doc:literal $example:literal = $value:literal $(folds $folds:literal)?:
        $(($($takes:ident),*) $gives:ident $operation:ident $(or $usual:literal)?),+;)+) => {
        /// Every function.
        pub static FUNCTIONS: &[Function] = &[$(Function {
            name: $name,
            doc: $doc,
            example: ($example, $value),
            folds: false $(|| $folds)?,
            forms: &[$(Form {
                takes: &[$($takes),*],
                gives: $gives,
                operation: &eval::$operation,
                usual: functions!(@usual $($usual)?),
            }),+],
        },)+];
    };
    (@usual) => { None };
    (@usual $usual:literal) => { Some($usual) };
}

functions! {
    "abs" "The value without its sign." "abs(-3)" = "3":
        (Int) Int ABS_INT, (Duration) Duration ABS_INT, (Float) Float ABS_FLOAT;
    "least" "The smallest of the values." "least(3, 1, 2)" = "1" folds true:
        (Int, Int) Int LEAST_INT, (Duration, Duration) Duration LEAST_INT, (Time, Time) Time LEAST_INT, (Float, Float) Float LEAST_FLOAT;
    "greatest" "The largest of the values." "greatest(3, 1.5)" = "3" folds true:
        (Int, Int) Int GREATEST_INT, (Duration, Duration) Duration GREATEST_INT, (Time, Time) Time GREATEST_INT, (Float, Float) Float GREATEST_FLOAT;
    "floor" "The next whole number downwards." "floor(-1.5)" = "-2": (Int) Int SELF, (Float) Int FLOOR;
    "ceil" "The next whole number upwards." "ceil(1.2)" = "2": (Int) Int SELF, (Float) Int CEIL;
    "round" "The nearest whole number, half away from 0; with a second value, to so many decimals." "round(2.345, 2)" = "2.35":
        (Int) Int SELF, (Float) Int ROUND, (Float, Int) Float ROUND_TO;
    "sqrt" "The square root; null below 0." "sqrt(9)" = "3": (Float) Float SQRT;
    "exp" "e to the power of the value." "exp(0)" = "1": (Float) Float EXP;
    "ln" "The natural logarithm; null from 0 downwards." "ln(1)" = "0": (Float) Float LN;
    "log2" "The logarithm to base 2; null from 0 downwards." "log2(8)" = "3": (Float) Float LOG2;
    "log10" "The logarithm to base 10; null from 0 downwards." "log10(1000)" = "3": (Float) Float LOG10;
    "pow" "The first value to the power of the second." "pow(2, 10)" = "1024": (Int, Int) Int POWER_INT, (Float, Float) Float POWER_FLOAT;
    "sign" "-1, 0 or 1." "sign(-2.5)" = "-1": (Int) Int SIGN_INT, (Duration) Int SIGN_INT, (Float) Int SIGN_FLOAT;
    "int" "A whole number: of a float without its fraction, of text as it is written, of a truth 0 or 1, of a duration its ns, of a time the ns since 1970." "int(2.9)" = "2":
        (Int) Int SELF, (Float) Int FLOAT_TO_INT, (Text) Int TEXT_TO_INT, (Bool) Int BOOL_TO_INT, (Duration) Int SELF, (Time) Int SELF;
    "float" "A float: of a duration its seconds, of text as it is written." "float(1500ms)" = "1.5":
        (Float) Float SELF, (Int) Float INT_TO_FLOAT, (Duration) Float SECONDS, (Text) Float TEXT_TO_FLOAT;
    "duration" "So many seconds." "duration(1.5)" = "1.5": (Duration) Duration SELF, (Float) Duration TO_DURATION;
    "text" "The value as it is written; of bytes, hexadecimal digits; of a time RFC 3339, UTC." "text(10.0.0.1)" = "10.0.0.1":
        (Text) Text SELF, (Time) Text TIME_TO_TEXT, (Int) Text INT_TO_TEXT, (Float) Text FLOAT_TO_TEXT, (Bool) Text BOOL_TO_TEXT, (Ip) Text IP_TO_TEXT, (Bytes) Text HEX;
    "len" "Characters of a text, bytes of bytes, entries of a list." "len(\"abc\")" = "3":
        (Text) Int TEXT_LENGTH, (Bytes) Int BYTES_LENGTH, (ListAny) Int LIST_LENGTH;
    "lower" "Lower-case letters." "lower(\"AbC\")" = "abc": (Text) Text LOWER;
    "upper" "Upper-case letters." "upper(\"AbC\")" = "ABC": (Text) Text UPPER;
    "trim" "Without space around it." "trim(\" a \")" = "a": (Text) Text TRIM;
    "starts_with" "Whether the first text begins with the second." "starts_with(\"abc\", \"ab\")" = "true": (Text, Text) Bool STARTS_WITH, (Bytes, Bytes) Bool STARTS_WITH;
    "ends_with" "Whether the first text ends with the second." "ends_with(\"abc\", \"ab\")" = "false": (Text, Text) Bool ENDS_WITH, (Bytes, Bytes) Bool ENDS_WITH;
    "contains" "Whether the second text is in the first." "contains(\"abc\", \"bc\")" = "true": (Text, Text) Bool CONTAINS, (Bytes, Bytes) Bool CONTAINS;
    "replace" "The second text, wherever it is in the first, replaced by the third." "replace(\"a.b\", \".\", \"-\")" = "a-b": (Text, Text, Text) Text REPLACE;
    "substr" "The characters from a place on, from 0 (from the end below 0), at most so many." "substr(\"abcdef\", 1, 3)" = "bcd":
        (Text, Int, Int) Text SUBSTR or 0x7fff_ffff_ffff_ffff;
    "split" "The parts between the places where the second text is." "at(split(\"a.b\", \".\"), 1)" = "b": (Text, Text) ListText SPLIT;
    "at" "Entry of a list, from 0 (from the end below 0); null where there is none." "at(split(\"a.b\", \".\"), -1)" = "b": (ListAny, Int) Item LIST_AT;
    "index_of" "Characters before the first place of the second text in the first; null where it is not in it." "index_of(\"abc\", \"c\")" = "2": (Text, Text) Int INDEX_OF;
    "concat" "The texts one behind the other." "concat(\"a\", \"b\", \"c\")" = "abc" folds true: (Text, Text) Text CONCAT;
    "entropy" "Shannon entropy of the bytes, bits a byte; null of an empty text." "entropy(\"ab\")" = "1": (Text) Float ENTROPY, (Bytes) Float ENTROPY;
    "digits_ratio" "Digits by characters; null of an empty text." "digits_ratio(\"a1b2\")" = "0.5": (Text) Float DIGITS_RATIO;
    "tld" "The last label of a name." "tld(\"www.example.org\")" = "org": (Text) Text TLD;
    "registered_domain" "The public suffix of a name and one label more." "registered_domain(\"a.b.example.co.uk\")" = "example.co.uk": (Text) Text REGISTERED_DOMAIN;
    "label_count" "Labels of a name." "label_count(\"www.example.org\")" = "3": (Text) Int LABEL_COUNT;
    "max_label_len" "Characters of the longest label of a name." "max_label_len(\"www.example.org\")" = "7": (Text) Int MAX_LABEL_LEN;
    "edit_distance" "Letters to insert, remove or replace; null of texts of more than 1,024 characters." "edit_distance(\"kitten\", \"sitting\")" = "3": (Text, Text) Int EDIT_DISTANCE;
    "hex" "Hexadecimal digits." "hex(\"ab\")" = "6162": (Text) Text HEX, (Bytes) Text HEX;
    "base64" "Base64 (RFC 4648, with padding)." "base64(\"ab\")" = "YWI=": (Text) Text BASE64, (Bytes) Text BASE64;
    "sha256" "SHA-256, 64 hexadecimal digits." "substr(sha256(\"abc\"), 0, 8)" = "ba7816bf": (Text) Text SHA256, (Bytes) Text SHA256;
    "siphash" "SipHash-2-4 with a key of zeros, the upper 63 bits." "siphash(\"a\") >= 0" = "true": (Text) Int SIPHASH, (Bytes) Int SIPHASH;
    "ip_version" "4 or 6." "ip_version(::1)" = "6": (Ip) Int IP_VERSION;
    "is_private" "Whether an address is not of the internet: RFC 1918, RFC 4193, loopback, link-local." "is_private(192.168.1.1)" = "true": (Ip) Bool IS_PRIVATE;
    "is_multicast" "Whether an address is a multicast address." "is_multicast(224.0.0.1)" = "true": (Ip) Bool IS_MULTICAST;
    "network" "An address with all but so many leading bits cleared; null beyond its length." "network(10.1.2.3, 16)" = "10.1.0.0": (Ip, Int) Ip NETWORK;
    "hour" "Hour of the day, UTC." "hour(floor_time($now, 1h)) < 24" = "true": (Time) Int HOUR_OF;
    "weekday" "Day of the week, UTC: 0 is Monday." "weekday($now) < 7" = "true": (Time) Int WEEKDAY;
    "date" "The day, UTC: 2017-07-07." "len(date($now))" = "10": (Time) Text DATE;
    "floor_time" "The last multiple of a duration since 1970; null for a duration that is not above 0." "floor_time($now, 1d) <= $now" = "true": (Time, Duration) Time FLOOR_TIME;
    "slice" "Entries of a list from a place on, from 0 (from the end below 0), at most so many." "len(slice(split(\"a.b.c\", \".\"), 1))" = "2":
        (ListAny, Int, Int) First LIST_SLICE or 0x7fff_ffff_ffff_ffff;
    "sort" "The entries in order." "at(sort([3, 1, 2]), 0)" = "1": (ListAny) First LIST_SORT;
    "unique" "The first of equal entries." "len(unique([1, 2, 1]))" = "2": (ListAny) First LIST_UNIQUE;
    "list_sum" "Sum of the entries." "list_sum([1, 2, 3])" = "6": (ListInt) Int LIST_SUM_INT, (ListDuration) Duration LIST_SUM_INT, (ListFloat) Float LIST_SUM_FLOAT;
    "list_mean" "Mean of the entries; null of an empty list." "list_mean([1, 2])" = "1.5": (ListInt) Float LIST_MEAN_INT, (ListDuration) Duration LIST_MEAN_DURATION, (ListFloat) Float LIST_MEAN_FLOAT;
    "list_min" "The smallest entry; null of an empty list." "list_min([3, 1])" = "1": (ListAny) Item LIST_MIN;
    "list_max" "The largest entry; null of an empty list." "list_max([3, 1])" = "3": (ListAny) Item LIST_MAX;
}
