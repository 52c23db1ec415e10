"""A GPIO chip of the kernel's simulator: its lines are read and its button is pressed by the agent in the board."""

CONFIG = "/sys/kernel/config/gpio-sim/board"
BOUNCES = 6


class Chip:
    """A chip of 54 lines, as a Raspberry Pi's, with a label of one's own. It is there once `appear` was called."""

    def __init__(self, guest, label, led=17, button=27):
        self.guest, self.label, self.led, self.button = guest, label, led, button
        guest.sh(
            f"mkdir -p {CONFIG}/bank0/line{led} {CONFIG}/bank0/line{button}\n"
            f"echo 54 > {CONFIG}/bank0/num_lines; echo {label} > {CONFIG}/bank0/label"
        )

    def appear(self):
        self.guest.sh(f"echo 1 > {CONFIG}/live")
        device, chip = self.guest.sh(f"cat {CONFIG}/dev_name {CONFIG}/bank0/chip_name").split()
        self.folder = f"/sys/devices/platform/{device}/{chip}"

    def vanish(self):
        self.guest.sh(f"echo 0 > {CONFIG}/live")

    def samples(self):
        """The LED's line as (seconds, level, seconds unseen before), without end; nothing while there is no chip."""
        with self.guest.open(f"exec agent watch {self.folder}/sim_gpio{self.led}/value") as connection:
            connection.settimeout(None)
            for line in connection.makefile():
                now, level, unseen = line.split()
                if level in "01":
                    yield int(now) / 1000, int(level), int(unseen) / 1000

    def press(self):
        self._contact("pull-down", "pull-up")

    def release(self):
        self._contact("pull-up", "pull-down")

    def _contact(self, last, other):
        """The contact bounces some times within milliseconds before it rests."""
        pull = f"{self.folder}/sim_gpio{self.button}/pull"
        places = " ".join([last, other] * BOUNCES + [last])
        self.guest.sh(f"for level in {places}; do echo $level > {pull}; done")

    def take(self):
        """Another program (the kernel's old sysfs interface) takes the LED's line."""
        self.guest.sh(f"echo {self._number()} > /sys/class/gpio/export")

    def give_back(self):
        self.guest.sh(f"echo {self._number()} > /sys/class/gpio/unexport")

    def _number(self):
        """The number of the LED's line among all lines of the kernel."""
        lines = f'cd /sys/class/gpio; for c in gpiochip*; do [ "$(cat $c/label)" = {self.label} ] && cat $c/base; done; true'
        return int(self.guest.sh(lines)) + self.led
