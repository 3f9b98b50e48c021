-- Functions of the audit database.

-- The loop of an asset: 0 for the seed RM, NULL for what belongs to no loop.
CREATE OR REPLACE MACRO loop_of(asset) AS CASE
    WHEN regexp_matches(asset, '^seed_rm([./]|$)') THEN 0
    ELSE try_cast(regexp_extract(asset, '^loop_(\d+)/', 1) AS INTEGER) END;

-- The asset of the reward model that is trained in a loop.
CREATE OR REPLACE MACRO model_of(loop) AS CASE loop WHEN 0 THEN 'seed_rm' ELSE format('loop_{}/retrained_rm', loop) END;

-- The Wilson score interval at 95 %; equal to ser.method.stats.wilson.
CREATE OR REPLACE MACRO wilson_low(k, n) AS CASE
    WHEN n = 0 OR k = 0 THEN 0.0
    ELSE (k / n + 3.841458820694124 / (2 * n)
        - 1.959963984540054 * sqrt(k / n * (1 - k / n) / n + 3.841458820694124 / (4.0 * n * n)))
        / (1 + 3.841458820694124 / n) END;
CREATE OR REPLACE MACRO wilson_high(k, n) AS CASE
    WHEN n = 0 OR k = n THEN 1.0
    ELSE (k / n + 3.841458820694124 / (2 * n)
        + 1.959963984540054 * sqrt(k / n * (1 - k / n) / n + 3.841458820694124 / (4.0 * n * n)))
        / (1 + 3.841458820694124 / n) END;

-- The design effect of a share of `k` in `n` cases (Kish, 1965); equal to ser.method.stats.design_effect. `m` is the
-- number of groups, and of each group's cases n_g and successes k_g there are the sums kk of k_g², kn of k_g n_g and nn
-- of n_g²: with the share p, the sum of (k_g - p n_g)² is kk - 2 p kn + p² nn.
CREATE OR REPLACE MACRO design_effect(k, n, m, kk, kn, nn) AS CASE
    WHEN n = 0 THEN 1.0
    WHEN m < 2 OR m = n OR k = 0 OR k = n THEN greatest(1.0, n / m)
    ELSE greatest(1.0, (kk - 2.0 * k / n * kn + (k / n) * (k / n) * nn) * m / (m - 1) / (k * (1 - k / n) * n / (n - 1)))
    END;

-- Sums over rows that count the cases `n` and successes `k` of one group each (`tied`), or, where tied is NULL, of `n`
-- cases that are each alone in their group.
CREATE OR REPLACE MACRO tied_effect(tied, k, n) AS design_effect(
    sum(k), sum(n), sum(CASE WHEN tied IS NULL THEN n WHEN n > 0 THEN 1 ELSE 0 END),
    sum(CASE WHEN tied IS NULL THEN k ELSE k * k END), sum(CASE WHEN tied IS NULL THEN k ELSE k * n END),
    sum(CASE WHEN tied IS NULL THEN n ELSE n * n END));

-- Confidence in tenths, 5 to 9: the bin [0.7, 0.8) is 7, and 1.0 belongs to 9.
CREATE OR REPLACE MACRO confidence_bin(c) AS least(9, greatest(5, CAST(floor(c * 10) AS INTEGER)));
