/** Generated cases: another seed in each run, said when a test fails; as many times more as one asks. */

/** WALWIRE_SEED to have a failure again. */
export const seed = Number(process.env.WALWIRE_SEED ?? Date.now() & 0x7fffffff);

/** WALWIRE_RUNS multiplies the number of cases. */
export const times = Number(process.env.WALWIRE_RUNS ?? 1);

/** The same where a test counts what it has seen, which fewer cases do not show. */
export const fullTimes = Math.max(1, times);
