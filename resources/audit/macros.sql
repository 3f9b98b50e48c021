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

-- The design effect of the mean of `n` numbers (Kish, 1965); equal to ser.method.stats.design_effect. The numbers sum to
-- `s` and their squares to `q`. `m` is the number of groups, and of each group's count n_g and sum s_g there are the sums
-- ss of s_g², sn of s_g n_g and nn of n_g²: with the mean p, the sum of (s_g - p n_g)² is ss - 2 p sn + p² nn.
CREATE OR REPLACE MACRO design_effect(s, q, n, m, ss, sn, nn) AS CASE
    WHEN n = 0 THEN 1.0
    WHEN m < 2 OR m = n OR s * s = q * n THEN greatest(1.0, n / m)
    ELSE greatest(1.0, (ss - 2.0 * s / n * sn + (s / n) * (s / n) * nn) * m / (m - 1) / ((q - s * s / n) * n / (n - 1)))
    END;

-- Sums over rows that count the cases `n` of one group each (`tied`), with the sum `s` of their numbers, each -1, 0 or 1,
-- of which `q` are not 0; or, where tied is NULL, of cases that are each alone in their group.
CREATE OR REPLACE MACRO tied_mean_effect(tied, s, q, n) AS design_effect(
    sum(s), sum(q), sum(n), sum(CASE WHEN tied IS NULL THEN n WHEN n > 0 THEN 1 ELSE 0 END),
    sum(CASE WHEN tied IS NULL THEN q ELSE s * s END), sum(CASE WHEN tied IS NULL THEN s ELSE s * n END),
    sum(CASE WHEN tied IS NULL THEN n ELSE n * n END));

-- The same of a share of successes `k`.
CREATE OR REPLACE MACRO tied_effect(tied, k, n) AS tied_mean_effect(tied, k, k, n);

-- The ends, at 95 %, of the paired difference of two shares of right answers to `n` cases, of which `up` became right and
-- `down` wrong; equal to ser.method.stats.gain.
CREATE OR REPLACE MACRO changed_share(k, n, effect) AS (k / effect + 1) / (n / effect + 2);
CREATE OR REPLACE MACRO gain_half(u, d, size) AS 1.959963984540054 * sqrt((u + d - (u - d) * (u - d)) / size);
CREATE OR REPLACE MACRO gain_low(up, down, n, effect) AS greatest(-1.0,
    changed_share(up, n, effect) - changed_share(down, n, effect)
    - gain_half(changed_share(up, n, effect), changed_share(down, n, effect), n / effect + 2));
CREATE OR REPLACE MACRO gain_high(up, down, n, effect) AS least(1.0,
    changed_share(up, n, effect) - changed_share(down, n, effect)
    + gain_half(changed_share(up, n, effect), changed_share(down, n, effect), n / effect + 2));

-- Whether a reward model ranks a pair as people did; a tie is wrong.
CREATE OR REPLACE MACRO is_right(reward_a, reward_b, preferred) AS
    reward_a <> reward_b AND (reward_a > reward_b) = (preferred = 'a');

-- Confidence in tenths, 5 to 9: the bin [0.7, 0.8) is 7, and 1.0 belongs to 9.
CREATE OR REPLACE MACRO confidence_bin(c) AS least(9, greatest(5, CAST(floor(c * 10) AS INTEGER)));

-- The number whose remainder says which fold of teachers a pool pair is in; equal to that of ser.method.selection.fold_of.
-- `unit` is what the role of the pair was drawn with: its group, or else its dialogue.
CREATE OR REPLACE MACRO unit_of("group", dialogue) AS coalesce('g' || substr(sha256("group"), 1, 24), 'd' || dialogue);
CREATE OR REPLACE MACRO fold_number(unit) AS CAST('0x' || substr(sha256(
    'label fold'::BLOB || '\x00\x00\x00\x00\x00\x00\x00\x010'::BLOB
    || unhex(lpad(hex(octet_length(encode(unit))), 16, '0')) || encode(unit)), 1, 13) AS BIGINT);

-- Which fold of a cross-fitted temperature a pair is in: that of its group.
CREATE OR REPLACE MACRO temperature_fold(tied, pair_id) AS CAST(coalesce(tied, md5_number_lower(pair_id)) % 5 AS INTEGER);

-- The words of a text; where a script puts no blanks between words, its characters.
CREATE OR REPLACE MACRO words_of(text) AS regexp_extract_all(
    lower(coalesce(text, '')), '[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}]|[\p{L}\p{M}\p{N}]+');
