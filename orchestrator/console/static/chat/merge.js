/** What two tabs have added to one conversation, put together turn by turn. */

/**
 * Adds to `mine` what only `theirs` has, and tells whether there was anything.
 *
 * What is in `mine` stays the same object: it may be on the page, or be filled right now. With
 * `follow`, theirs is newer, and says which of several answers the conversation goes on from.
 */
export function adopt(mine, theirs, { follow = false } = {}) {
  let news = false;
  const join = (own, other) => {
    if (joinTurns(own, other, follow)) news = true;
    return own;
  };
  const before = mine.turns.length;
  mine.turns = union(mine.turns, theirs.turns, ({ id }) => id, join);
  mine.title = theirs.title || mine.title;
  return news || mine.turns.length !== before;
}

function joinTurns(own, other, follow) {
  const chosen = own.answers[own.chosen]?.key;
  const wanted = (follow && other.answers[other.chosen]?.key) || chosen;
  let news = wanted !== chosen;
  const before = own.answers.length;
  own.answers = union(own.answers, other.answers, ({ key }) => key, (mine, theirs) => {
    // Of one answer, the tab that asked knows how it ended; others know what was kept on the way.
    const further = !isLeft(theirs) || theirs.text.length > mine.text.length;
    const better = isLeft(mine) ? further : !mine.record && theirs.record;
    if (better) news = true;
    return better ? theirs : mine;
  });
  own.chosen = Math.max(0, own.answers.findIndex(({ key }) => key === wanted));
  return news || own.answers.length !== before;
}

function isLeft({ state }) {
  return state === "left";
}

/** Theirs in their order, then what only we have; what both have as `join` makes it. */
function union(mine, theirs, nameOf, join) {
  const own = new Map(mine.map((one) => [nameOf(one), one]));
  const both = theirs.map((other) => {
    const same = own.get(nameOf(other));
    own.delete(nameOf(other));
    return same === undefined ? other : join(same, other);
  });
  return [...both, ...own.values()];
}
