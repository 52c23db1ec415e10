# What U-Boot runs (boot.scr, made by mkimage): chooses a slot, loads its kernel and starts it.
#
# The boot state is a U-Boot environment of 16 KiB that fw_printenv and fw_setenv read and write too: at 1 MiB of the card,
# with a second copy behind it. If both are missing or damaged, the defaults here hold.
#   BOOT_ORDER   slots, the preferred one first                                             default "A B"
#   BOOT_TRIAL   the slot that has to prove itself, if any: each start of it takes one of
#   BOOT_LEFT    the starts that it has left; with none left, the other slot is started     default 3
#   BOOT_OPTIONS more for the kernel's command line
# Only a start on trial writes, so that a pulled plug costs a proven slot nothing. A slot whose kernel does not load is
# passed over; if none is left, all may try again. Addresses are set here, as U-Boot's own leave less room than Debian's
# kernel needs; all are in the first 256 MiB, which every board has.

if test "${board}" = "qemu-arm"; then
    setenv hp_kernel 0x40200000
    setenv hp_state 0x4a000000
    setenv hp_initrd 0x4c000000
    setenv hp_console "console=ttyAMA0"
else
    setenv hp_kernel 0x00200000
    setenv hp_state 0x0a000000
    setenv hp_initrd 0x0c000000
    setenv hp_console "console=tty0 console=ttyS1,115200"
fi

setenv BOOT_ORDER
setenv BOOT_TRIAL
setenv BOOT_LEFT
setenv BOOT_OPTIONS
setenv hp_vars "BOOT_ORDER BOOT_TRIAL BOOT_LEFT BOOT_OPTIONS"
${devtype} dev ${devnum}
if ${devtype} read ${hp_state} 0x800 0x20 && env import -c ${hp_state} 0x4000 ${hp_vars}; then
    echo "Heimpost: boot state read"
elif ${devtype} read ${hp_state} 0x820 0x20 && env import -c ${hp_state} 0x4000 ${hp_vars}; then
    echo "Heimpost: boot state read from its copy"
else
    echo "Heimpost: no boot state, defaults hold"
fi
test -n "${BOOT_ORDER}" || setenv BOOT_ORDER "A B"
test -n "${BOOT_LEFT}" || setenv BOOT_LEFT 3

for slot in ${BOOT_ORDER} A B; do
    setenv hp_part 2
    test "${slot}" = "B" && setenv hp_part 3
    setenv hp_go 1
    if test "${slot}" = "${BOOT_TRIAL}"; then
        if test "${BOOT_LEFT}" -gt 0; then
            setexpr BOOT_LEFT ${BOOT_LEFT} - 1
            env export -c -s 0x4000 ${hp_state} ${hp_vars}
            ${devtype} write ${hp_state} 0x800 0x20
            ${devtype} write ${hp_state} 0x820 0x20
        else
            echo "Heimpost: slot ${slot} did not prove itself"
            setenv hp_go 0
        fi
    fi
    if test "${hp_go}" = "1" && load ${devtype} ${devnum}:${hp_part} ${hp_kernel} /boot/vmlinuz; then
        if load ${devtype} ${devnum}:${hp_part} ${hp_initrd} /boot/initrd; then
            echo "Heimpost: slot ${slot}"
            setenv bootargs "root=PARTUUID=@DISK_ID@-0${hp_part} ro heimpost.slot=${slot} heimpost.disk=${devtype} ${hp_console} @OPTIONS@ ${BOOT_OPTIONS}"
            booti ${hp_kernel} ${hp_initrd}:${filesize} ${fdt_addr}
        fi
    fi
    echo "Heimpost: slot ${slot} does not start"
done
# No dead end: the next start asks for no proof.
echo "Heimpost: no slot starts, trying again"
setenv BOOT_TRIAL
setenv BOOT_LEFT 3
env export -c -s 0x4000 ${hp_state} ${hp_vars}
${devtype} write ${hp_state} 0x800 0x20
${devtype} write ${hp_state} 0x820 0x20
sleep 10
reset
