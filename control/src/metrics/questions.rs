//! Questions to the metric store that belong together: series with a statistic, and expressions over them.

use super::asked::Asked;
use super::error::MetricsError;
use super::key::SeriesKey;
use super::math::{Budget, Expr, Line, MathError, Source, Worth, evaluate, parse};
use super::register::Listed;
use super::search::Search;
use super::store::{MetricStore, POINTS_MAX};
use super::summary::Summary;
use super::unit::Unit;
use serde::{Deserialize, Serialize};
use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::ops::Range;

/// Most series that a search finds.
const FOUND_MAX: usize = 500;
/// The period of expressions in which nothing has one, in seconds.
const PERIOD_DEFAULT_S: u64 = 60;

/// One question.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Question {
    /// Its name, by which expressions refer to it.
    pub id: String,
    /// What is asked.
    pub what: What,
    /// What the answer is to be called, where somebody has said.
    pub label: Option<String>,
    /// Whether the answer is wanted for itself.
    pub returned: bool,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum What {
    /// A series.
    Series(Wanted),
    /// An expression, and the length of its periods in seconds, where somebody has said.
    Expression(String, Option<u64>),
}

/// A series with a statistic.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Wanted {
    /// The series.
    pub key: SeriesKey,
    /// What of it.
    pub asked: Asked,
    /// Length of the periods, in seconds.
    pub period_s: u64,
    /// The unit that its values must have, where somebody has said.
    pub unit: Option<Unit>,
}

/// The answers to questions, by their names.
pub struct Answers<'a> {
    store: &'a MetricStore,
    questions: &'a [Question],
    by_id: BTreeMap<&'a str, &'a Question>,
    range: Range<u64>,
    phase_s: u64,
    /// The shortest period of all questions, in seconds.
    period_s: u64,
    series: BTreeMap<String, Vec<(u64, Summary)>>,
    /// Worked out so far; `None` while it is under way.
    worths: RefCell<BTreeMap<String, Option<Result<Worth, MathError>>>>,
    /// What the expressions may be worth together, since all of it is kept.
    kept: Budget,
    /// All series in the order of their keys, for searches: as many as the register holds.
    listed: OnceCell<Vec<Listed>>,
}

impl<'a> Answers<'a> {
    /// Reads what the questions are about within a range (milliseconds since the Unix epoch), in periods that begin
    /// `phase_s` seconds after whole multiples.
    ///
    /// # Errors
    /// When a series cannot be read, or there would be too many points.
    pub fn read(
        store: &'a MetricStore,
        questions: &'a [Question],
        range: Range<u64>,
        phase_s: u64,
    ) -> Result<Self, MetricsError> {
        Self::read_within(store, questions, (range, phase_s), POINTS_MAX)
    }

    /// The same with another bound of points, of all periods together.
    fn read_within(
        store: &'a MetricStore,
        questions: &'a [Question],
        (range, phase_s): (Range<u64>, u64),
        max: u64,
    ) -> Result<Self, MetricsError> {
        let mut by_period: BTreeMap<u64, Vec<(&str, &Wanted)>> = BTreeMap::new();
        for question in questions {
            if let What::Series(wanted) = &question.what {
                by_period.entry(wanted.period_s).or_default().push((&question.id, wanted));
            }
        }
        let (mut series, mut points) = (BTreeMap::new(), 0);
        for (period_s, wanted) in by_period {
            let keys: Vec<SeriesKey> = wanted.iter().map(|(_, wanted)| wanted.key.clone()).collect();
            let found = store.summaries(&keys, period_s, phase_s % period_s.max(1), range.clone())?;
            points += found.iter().map(Vec::len).sum::<usize>() as u64;
            if points > max {
                return Err(MetricsError::TooManyPoints { points, max });
            }
            for ((id, wanted), points) in wanted.into_iter().zip(found) {
                let fits = wanted.unit.is_none_or(|unit| store.unit(&wanted.key).unwrap_or_default() == unit);
                series.insert(id.to_owned(), if fits { points } else { Vec::new() });
            }
        }
        let by_id = questions.iter().map(|question| (question.id.as_str(), question)).collect();
        let period_s = questions.iter().filter_map(Question::period_s).min().unwrap_or(PERIOD_DEFAULT_S);
        Ok(Self {
            store,
            questions,
            by_id,
            range,
            phase_s,
            period_s,
            series,
            worths: RefCell::default(),
            kept: Budget::of_request(),
            listed: OnceCell::new(),
        })
    }

    /// The answer to a question. What its expression refers to is worked out before it, one after the other: a chain of
    /// expressions may be as long as there are questions, and takes no more of the stack than one of them.
    ///
    /// # Errors
    /// When its expression is wrong, or names what is.
    pub fn of(&self, id: &str) -> Result<Worth, MathError> {
        let mut under_way: Vec<UnderWay<'_>> = self.begun(id).into_iter().collect();
        while let Some(last) = under_way.last_mut() {
            if let Some(name) = last.waits_for.pop() {
                // One that is under way already refers to itself, which it is told when its name is read.
                under_way.extend(self.begun(&name));
            } else if let Some(done) = under_way.pop() {
                let worth = self.worked_out(&done);
                self.worths.borrow_mut().insert(done.question.id.clone(), Some(worth));
            }
        }
        self.known(id)
    }

    /// A question by its name, marked as under way; `None` where there is none, or it was begun before.
    fn begun(&self, id: &str) -> Option<UnderWay<'a>> {
        let question = *self.by_id.get(id)?;
        let mut worths = self.worths.borrow_mut();
        if worths.contains_key(id) {
            return None;
        }
        worths.insert(id.to_owned(), None);
        let work = match &question.what {
            What::Series(wanted) => Work::Series(wanted),
            What::Expression(text, _) => Work::Expression(parse(text)),
        };
        let names = if let Work::Expression(Ok(expression)) = &work { expression.names() } else { Vec::new() };
        let waits_for = names.into_iter().map(str::to_owned).collect();
        Some(UnderWay { question, work, waits_for })
    }

    /// What was worked out under a name.
    fn known(&self, id: &str) -> Result<Worth, MathError> {
        match self.worths.borrow().get(id) {
            Some(Some(worth)) => worth.clone(),
            Some(None) => Err(MathError::new(format!("the expression {id} refers to itself"))),
            None => Err(MathError::new(format!("nothing is known under the name {id}"))),
        }
    }

    /// The values of a series by its question, where it is one.
    pub fn summaries(&self, id: &str) -> &[(u64, Summary)] {
        self.series.get(id).map_or(&[], Vec::as_slice)
    }

    fn worked_out(&self, done: &UnderWay<'_>) -> Result<Worth, MathError> {
        let expression = match &done.work {
            Work::Series(wanted) => return Ok(Worth::Line(self.line(done.question, wanted))),
            Work::Expression(parsed) => parsed.as_ref().map_err(Clone::clone)?,
        };
        let period_s = done.question.period_s().unwrap_or(self.period_s);
        let within = Within { answers: self, period_s, budget: Budget::of_expression() };
        let worth = evaluate(expression, &within)?;
        self.kept.take(worth.weight())?;
        Ok(match worth {
            Worth::Line(line) => Worth::Line(Line { label: done.question.named(), ..line }),
            other => other,
        })
    }

    fn line(&self, question: &Question, wanted: &Wanted) -> Line {
        let points = numbers(&wanted.asked, self.summaries(&question.id));
        Line { label: question.named(), period_s: wanted.period_s, points }
    }
}

/// A question that is being worked out.
struct UnderWay<'a> {
    question: &'a Question,
    work: Work<'a>,
    /// The names that it refers to and that were not looked at yet.
    waits_for: Vec<String>,
}

/// What is to be done for it.
enum Work<'a> {
    Series(&'a Wanted),
    Expression(Result<Expr, MathError>),
}

impl Question {
    /// Length of its periods in seconds, where somebody has said.
    pub fn period_s(&self) -> Option<u64> {
        match &self.what {
            What::Series(wanted) => Some(wanted.period_s),
            What::Expression(_, period_s) => *period_s,
        }
    }

    /// What its answer is called.
    fn named(&self) -> String {
        match (&self.label, &self.what) {
            (Some(label), _) => label.clone(),
            (None, What::Series(wanted)) => wanted.key.name().to_owned(),
            (None, What::Expression(..)) => self.id.clone(),
        }
    }
}

/// What an expression sees of the answers.
struct Within<'a> {
    answers: &'a Answers<'a>,
    period_s: u64,
    budget: Budget,
}

impl Source for Within<'_> {
    fn named(&self, name: &str) -> Result<Worth, MathError> {
        self.answers.known(name)
    }

    fn metrics(&self, part: &str) -> Result<Vec<Line>, MathError> {
        let mut lines = Vec::new();
        let is_series = |question: &&Question| matches!(question.what, What::Series(_));
        for question in self.answers.questions.iter().filter(is_series).filter(|series| series.id.contains(part)) {
            // A series refers to nothing, and is worked out once however many expressions take it.
            lines.extend(self.answers.of(&question.id)?.lines().into_iter().flatten());
        }
        Ok(lines)
    }

    fn search(&self, search: &str, statistic: &str, period_s: Option<u64>) -> Result<Vec<Line>, MathError> {
        let search = Search::parse(search).map_err(MathError::new)?;
        let asked = Asked::parse(statistic).map_err(|error| MathError::new(error.to_string()))?;
        let period_s = period_s.unwrap_or(self.period_s);
        let listed = self.answers.listed.get_or_init(|| self.answers.store.listed(0));
        let keys: Vec<SeriesKey> =
            listed.iter().filter(|one| search.finds(&one.key)).take(FOUND_MAX).map(|one| (*one.key).clone()).collect();
        let (range, phase_s) = (self.answers.range.clone(), self.answers.phase_s % period_s.max(1));
        let found = self.answers.store.summaries(&keys, period_s, phase_s, range);
        let found = found.map_err(|error| MathError::new(error.to_string()))?;
        let line = |(key, points): (&SeriesKey, Vec<(u64, Summary)>)| Line {
            label: labelled(key),
            period_s,
            points: numbers(&asked, &points),
        };
        Ok(keys.iter().zip(found).map(line).filter(|line| !line.points.is_empty()).collect())
    }

    fn range(&self) -> Range<u64> {
        self.answers.range.clone()
    }

    fn period_s(&self) -> u64 {
        self.period_s
    }

    fn budget(&self) -> &Budget {
        &self.budget
    }
}

/// What is asked of each period, where that is known.
fn numbers(asked: &Asked, points: &[(u64, Summary)]) -> Vec<(u64, f64)> {
    points.iter().filter_map(|(at_ms, summary)| Some((*at_ms, asked.of(summary)?))).collect()
}

fn labelled(key: &SeriesKey) -> String {
    let values: Vec<&str> = key.dimensions().iter().map(|(_, value)| value.as_str()).collect();
    if values.is_empty() { key.name().to_owned() } else { format!("{} {}", key.name(), values.join(" ")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Datum, StatisticSet};
    use model::Env;
    use std::sync::Arc;

    const START_MS: u64 = 1_700_000_000_000;

    fn opened() -> (tempfile::TempDir, MetricStore) {
        let dir = tempfile::tempdir().unwrap();
        let (env, _) = Env::manual(START_MS, 1);
        let store = MetricStore::open(dir.path(), env).unwrap();
        store.record(&[Datum { key: Arc::new(key()), set: StatisticSet::of(2.0) }]).unwrap();
        (dir, store)
    }

    fn key() -> SeriesKey {
        SeriesKey::new("Test", "lag", [("of", "x")]).unwrap()
    }

    fn series(id: &str, period_s: u64) -> Question {
        let wanted = Wanted { key: key(), asked: Asked::parse("Sum").unwrap(), period_s, unit: None };
        Question { id: id.to_owned(), what: What::Series(wanted), label: None, returned: true }
    }

    fn expression(id: &str, text: &str, period_s: Option<u64>) -> Question {
        let what = What::Expression(text.to_owned(), period_s);
        Question { id: id.to_owned(), what, label: None, returned: true }
    }

    /// What is wrong with the last question about all time.
    fn refused(questions: &[Question]) -> String {
        let (_dir, store) = opened();
        let answers = Answers::read(&store, questions, 0..START_MS + 60_000, 0).unwrap();
        answers.of(&questions.last().unwrap().id).unwrap_err().to_string()
    }

    #[test]
    fn an_expression_over_all_time_is_refused_before_its_points_are_made() {
        for text in [
            "TIME_SERIES(1)",
            "FILL(m1, 0)",
            "FILL(m1, REPEAT)",
            "FILL(METRICS(), LINEAR)",
            "FILL([], m1) + FILL(m1, m1)",
        ] {
            let refused = refused(&[series("m1", 1), expression("e1", text, Some(1))]);
            assert!(
                refused.contains("points, one every 1 s, and may make one of 100800: ask for"),
                "{text}: {refused}"
            );
        }
    }

    #[test]
    fn what_expressions_make_is_bounded_together() {
        let wide = format!("[{}]", ["TIME_SERIES(1)"; 100].join(","));
        let span_s = START_MS / 100_000_000;
        let period_s = Some(span_s);
        let told = refused(&[expression("e1", &wide, period_s)]);
        assert!(told.contains("the expression makes more than 1000000 points"), "{told}");
        // Lists of lists grow by what a text can hold each time, also where no series has a point.
        let twice = |of: &str| format!("[{}]", [of; 500].join(","));
        let (narrow, empty) = (expression("e1", &twice("m1"), None), expression("e2", &twice("e1"), None));
        let told = refused(&[series("m1", 60), narrow, empty, expression("e3", "METRIC_COUNT(e2)", None)]);
        assert!(told.contains("the expression makes more than 1000000 points"), "{told}");
        let many: Vec<Question> = (0..12).map(|n| expression(&format!("e{n}"), "TIME_SERIES(1)", period_s)).collect();
        let (_dir, store) = opened();
        let answers = Answers::read(&store, &many, 0..START_MS, 0).unwrap();
        let troubles: Vec<String> =
            many.iter().filter_map(|one| answers.of(&one.id).err()).map(|error| error.to_string()).collect();
        assert!(!troubles.is_empty() && troubles.iter().all(|one| one.contains("together worth more")), "{troubles:?}");
    }

    #[test]
    fn a_chain_of_expressions_is_as_long_as_there_are_questions() {
        let (_dir, store) = opened();
        let link = |n: usize| expression(&format!("e{n}"), &format!("(((-((-(e{}))))))", n + 1), None);
        let mut questions: Vec<Question> = (0..499).map(link).collect();
        questions.push(series("e499", 60));
        let answer = || {
            let answers = Answers::read(&store, &questions, START_MS - 60_000..START_MS + 60_000, 0).unwrap();
            assert!(matches!(answers.of("e0"), Ok(Worth::Line(line)) if line.points[0].1 == 2.0));
        };
        // A worker's stack is 2 MiB; a quarter of it is to be enough.
        std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().stack_size(512 * 1024);
            thread.spawn_scoped(scope, answer).unwrap().join().unwrap();
        });
    }

    #[test]
    fn expressions_that_refer_to_each_other_are_told_so_and_others_are_answered() {
        let (_dir, store) = opened();
        let questions = [
            expression("e1", "e2 + 1", None),
            expression("e2", "m1 + e3", None),
            expression("e3", "e1 * 2", None),
            expression("e4", "e4", None),
            expression("e5", "m1 + m1", None),
            expression("e6", "e9", None),
            expression("e7", "m1 +", None),
            expression("e8", "e7", None),
            series("m1", 60),
        ];
        let answers = Answers::read(&store, &questions, START_MS - 60_000..START_MS + 60_000, 0).unwrap();
        let told = |id: &str| answers.of(id).map_or_else(|error| error.to_string(), |_| "answered".to_owned());
        for (id, expected) in [
            ("e1", "the expression e1 refers to itself"),
            ("e2", "the expression e1 refers to itself"),
            ("e4", "the expression e4 refers to itself"),
            ("e5", "answered"),
            ("e6", "nothing is known under the name e9"),
            ("e10", "nothing is known under the name e10"),
            ("m1", "answered"),
        ] {
            assert_eq!(told(id), expected, "{id}");
        }
        assert!(told("e8").contains("the end found"), "{}", told("e8"));
    }

    #[test]
    fn series_of_all_periods_count_for_one_bound() {
        let (_dir, store) = opened();
        let questions = [series("m1", 1), series("m2", 60), series("m3", 300)];
        let read = |max| Answers::read_within(&store, &questions, (START_MS - 60_000..START_MS + 60_000, 0), max);
        assert!(matches!(read(2).err(), Some(MetricsError::TooManyPoints { points: 3, max: 2 })));
        assert_eq!(read(3).ok().map(|answers| answers.of("m3").is_ok()), Some(true));
    }

    #[test]
    fn a_search_for_periods_longer_than_all_time_is_an_answer() {
        let (_dir, store) = opened();
        let questions = [expression("e1", "FILL(SEARCH('lag', 'Sum', 1e300), 0)", None)];
        let answers = Answers::read(&store, &questions, START_MS - 60_000..START_MS + 60_000, 0).unwrap();
        assert!(matches!(answers.of("e1"), Ok(Worth::Lines(lines)) if lines.len() == 1));
    }
}
