//! Refusals: one stable code per reason, each with its rule and what to do instead.
//!
//! A refusal never repeats text of the statement: a name or a literal may be data that
//! somebody tries to carry out. It says where by line and column, or by the path of plan
//! nodes from the root.

use std::fmt;

use serde::Serialize;

macro_rules! refusal_codes {
    ($($(#[$doc:meta])* $name:ident, $code:literal, $message:literal, $remedy:literal;)*) => {
        /// Why the gate says no. The kebab-case text of a code is stable.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum RefusalCode { $($(#[$doc])* $name,)* }

        impl RefusalCode {
            /// Every code, for documentation and for tests that must reach each of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The stable text of the code.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// The rule, for people.
            #[must_use]
            pub const fn message(self) -> &'static str {
                match self { $(Self::$name => $message,)* }
            }

            /// What to do instead.
            #[must_use]
            pub const fn remedy(self) -> &'static str {
                match self { $(Self::$name => $remedy,)* }
            }
        }
    };
}

refusal_codes! {
    /// More than 64 KiB of text.
    TextTooLong, "text-too-long", "a statement may have at most 64 KiB of text", "shorten the statement; put long code lists into a reference table and join it";
    /// Too many tokens.
    TooManyTokens, "too-many-tokens", "a statement may have at most 4000 tokens", "shorten the statement; put long code lists into a reference table and join it";
    /// Too many tables, those that a WITH reads counted as often as it is used.
    TooManyTables, "too-many-tables", "a statement may read at most 100 tables, those of a WITH counted as often as it is used", "use each WITH once or twice, or split the request";
    /// Nested too deeply, or an expression of too many terms.
    TooDeep, "nested-too-deep", "parentheses, CASE and subqueries may be nested 40 deep, expressions 200", "split the statement with WITH, or replace long chains of OR by IN";
    /// Not SQL.
    Syntax, "syntax-error", "the text is not a statement that can be parsed", "correct the statement at the place given";
    /// None or several.
    NotOneStatement, "not-one-statement", "exactly one statement is judged at a time", "send one SELECT without further statements";
    /// COPY, SET, EXPLAIN, CREATE, INSERT, SHOW and all the others.
    StatementRefused, "statement-refused", "only a query (SELECT or WITH … SELECT) is allowed", "write a SELECT";
    /// A form of query that has no place in the gate's rules (recursion, locking, sampling, INTO …).
    QueryFormRefused, "query-form-refused", "this form of query is not allowed", "use SELECT, WITH, JOIN, WHERE, GROUP BY, HAVING, ORDER BY and LIMIT only";
    /// An alias, table alias or CTE name of a form that could carry data.
    NameRefused, "name-refused", "names must be lower-case SQL names of at most 40 characters without more than four digits in a row, at most 100 of them", "choose a plain name for the alias";
    /// A person number anywhere in the text, comments included.
    PersonNumberInText, "person-number-in-text", "the statement contains text of the form of a person number", "remove it: persons cannot be selected by number";
    /// More literals than the profile allows.
    TooManyLiterals, "too-many-literals", "the statement holds more literals than the disclosure profile allows", "use fewer literals; join a reference table instead of a long list";
    /// A table that is not there or not permitted; the two look alike.
    UnknownTable, "table-not-found", "a table named in the statement is not there", "see the catalogue for the tables of your permit; write dataset.table when two datasets have a table of that name";
    /// A column that is not there or not permitted; the two look alike.
    UnknownColumn, "column-not-found", "a column named in the statement is not there, or the name is ambiguous", "see the catalogue for the columns of your permit; qualify the column with its table";
    /// A function that is not registered.
    FunctionNotAllowed, "function-not-allowed", "a function used in the statement is not on the list of allowed functions", "use the arithmetic, text and date functions listed in the documentation";
    /// The planner could not make sense of it (types do not fit, wrong number of arguments …).
    NotUnderstood, "not-understood", "the statement cannot be planned: types, arguments or names do not fit together", "check types and arguments; cast where types differ";
    /// A plan node outside the table of allowed nodes.
    NodeRefused, "plan-node-refused", "the statement needs an operation that is not on the list of allowed operations", "use projection, filter, join, UNION ALL, aggregation, ORDER BY and LIMIT only";
    /// An expression outside the table of allowed expressions.
    ExpressionRefused, "expression-refused", "an expression in the statement is not on the list of allowed expressions", "use columns, literals, comparisons, arithmetic, CASE, CAST, IN, LIKE and the allowed functions";
    /// A pattern of LIKE that is long.
    PatternTooLong, "pattern-too-long", "a pattern of LIKE may have at most 200 bytes", "shorten the pattern, or use starts_with, ends_with or contains";
    /// A cast to a type outside the list.
    CastRefused, "cast-refused", "values may be cast only to boolean, integer, decimal, floating point, text, date, timestamp and interval", "choose one of these types";
    /// The person key in any place but the five it may have.
    PersonKeyMisused, "person-key-misused", "the person key may only be joined on, grouped by, counted, tested for IS NOT NULL, used in IN (SELECT person key …) or in PARTITION BY, and always bare", "use another column";
    /// The gate lost track of where a column comes from.
    LineageUnknown, "lineage-unknown", "it cannot be shown which table a column comes from", "simplify the statement";
    /// An aggregate that gives single rows away.
    AggregateRefused, "aggregate-refused", "this aggregate shows values of single persons and is never released", "use count, sum or avg; for extremes ask for the mean of a group of persons";
    /// An aggregate whose rules are not implemented yet.
    StatisticNotYetAvailable, "statistic-not-yet-available", "the disclosure rules of this statistic are not available yet", "use count, sum or avg";
    /// ORDER BY, DISTINCT, or more arguments inside an aggregate than the rules cover.
    AggregateFormRefused, "aggregate-form-refused", "this form of the aggregate is not allowed", "use count(*), count(column), count(DISTINCT column), sum(column) or avg(column), with or without FILTER";
    /// The argument of sum or avg has a type without rules.
    AggregateTypeRefused, "aggregate-type-refused", "only integers and floating-point numbers can be summed and averaged", "cast the argument to BIGINT or DOUBLE";
    /// Grouping sets in a form that is not a list of plain sets.
    GroupingRefused, "grouping-refused", "grouping sets must be distinct lists of plain keys over rows of persons", "use GROUP BY with plain keys, ROLLUP, CUBE or distinct GROUPING SETS";
    /// Too many keys or aggregates.
    TooManyColumns, "too-many-columns", "a result may have at most 12 keys, 24 aggregates and 64 grouping sets", "split the request";
    /// A free-text column as a group key.
    FreeTextKey, "free-text-key", "free text is never released", "group by a coded column";
    /// UNIT–UNIT join without equality of the person keys.
    JoinWithoutPersonKey, "join-without-person-key", "tables of persons may only be joined with equality of their person keys in ON", "add the equality of both tables' person keys to ON";
    /// An outer join that keeps rows of reference data that belong to nobody.
    JoinPreservesReference, "join-preserves-reference", "an outer join may not keep rows of reference data that belong to no person", "keep the side of the persons (LEFT JOIN from persons to reference data), or use an inner join";
    /// A join or union with something already aggregated.
    CombinesResults, "combines-results", "results cannot be joined, united or compared with other rows", "submit the aggregations separately, or join before aggregating";
    /// A subquery outside the unit-equality rule.
    SubqueryRefused, "subquery-refused", "a subquery on persons must be tied to the same person by its person key", "use IN (SELECT person key …) or EXISTS with equality of the person keys; a scalar subquery may only read reference data";
    /// UNION of persons with something else.
    UnionOfDifferentUnits, "union-of-different-units", "UNION ALL may only unite rows of persons with rows of persons, column by column of the same kind", "unite tables of persons with their person keys in the same place";
    /// A window over rows of several persons.
    WindowWithoutPerson, "window-without-person", "a window over rows of persons must be partitioned by the person key", "add PARTITION BY with the person key";
    /// ORDER BY before aggregation.
    SortBelowBoundary, "order-before-aggregation", "rows of persons may not be ordered", "order the result after GROUP BY";
    /// LIMIT before aggregation.
    LimitBelowBoundary, "limit-before-aggregation", "rows of persons may not be picked by LIMIT or OFFSET", "limit the result after GROUP BY";
    /// Aggregation of an aggregation.
    SeveralAggregations, "several-aggregations", "a statement may aggregate over persons once", "submit separately, or aggregate per person first (GROUP BY the person key)";
    /// The root is still rows of persons.
    RowLevelResult, "row-level-result", "the result would show single persons", "aggregate with GROUP BY; the person key may not be among the keys of the result";
    /// The root draws on reference data only.
    NoPersonData, "no-person-data", "the result draws on no data about persons", "reference data is in the catalogue; query a table of persons";
    /// An expression on vetted values outside arithmetic.
    ResultExpressionRefused, "result-expression-refused", "on results only column names, literals, + - * /, round, CAST to a number and, in HAVING and ORDER BY, comparisons are allowed", "move the expression below the aggregation, or compute it after the release";
    /// LIMIT and OFFSET must be numbers.
    LimitNotLiteral, "limit-not-literal", "LIMIT and OFFSET must be plain numbers", "write a number";
    /// Two output columns of one name.
    DuplicateColumn, "duplicate-column", "two columns of the result have the same name", "give each column its own alias";
}

impl fmt::Display for RefusalCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for RefusalCode {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// The gate's no.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "camelCase")]
#[error("{code}: {message} ({place})")]
pub struct GateRefusal {
    /// The stable code.
    pub code: RefusalCode,
    /// The rule in words.
    pub message: &'static str,
    /// What to do instead.
    pub remedy: &'static str,
    /// Where: `line 3, column 7`, or the path of plan nodes from the root.
    pub place: String,
}

impl GateRefusal {
    pub(crate) fn new(code: RefusalCode, place: impl Into<String>) -> Self {
        Self { code, message: code.message(), remedy: code.remedy(), place: place.into() }
    }
}
