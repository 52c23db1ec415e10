"""The reader of the line against lines written by hand."""

import unittest

from line import Reader


def read(text):
    """Each character is the level for 0.1 s."""
    reader = Reader()
    for place, level in enumerate(text):
        reader.level(place / 10, int(level))
    return [what for _, what in reader.seen]


def group(count):
    return "11000" * count + "0" * 17


class Line(unittest.TestCase):
    def check(self, text, expected):
        self.assertEqual(read(text), expected, text)

    def test_counts_the_flashes_of_a_group(self):
        self.check(group(1) + group(2) * 3 + "1", [2, 2, 2])
        self.check(group(2) + group(3) + group(4) * 2 + "1", [3, 4, 4])

    def test_the_first_group_is_not_judged_because_its_start_was_not_seen(self):
        self.check(group(3) + "1", [])

    def test_steady_and_dark(self):
        self.check("1" * 40, ["steady"])
        self.check("0" * 40, ["dark"])
        self.check("1" * 40 + group(2) * 3 + "1", ["steady", 2, 2])

    def test_a_last_group_is_judged_when_it_stays_dark(self):
        self.check(group(2) * 2 + "0" * 40, [2, "dark"])

    def test_even_blinking_is_no_count(self):
        self.check("1111100000" * 3 + "0" * 10 + "1111100000" * 9, ["even"])

    def test_another_count_after_the_pause_of_a_change(self):
        self.check(group(1) + "11" + "0" * 10 + "11000" * 4 + "0" * 17 + "1", [1, 4])

    def test_slow_emulation_does_not_change_the_count(self):
        self.check(group(1) + ("111" + "00000") * 4 + "0" * 15 + "1", [4])

    def test_a_group_with_a_blind_moment_is_not_judged(self):
        reader = Reader()
        text = group(1) + group(3) * 2 + "1"
        for place, level in enumerate(text):
            reader.level(place / 10, int(level))
            if place == len(group(1)) + 6:
                reader.missed()
        self.assertEqual([what for _, what in reader.seen], [3])


if __name__ == "__main__":
    unittest.main()
