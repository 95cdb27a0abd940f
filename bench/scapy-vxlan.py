"""COUNT FILE: VXLAN frames built with scapy and written to a pcap; prints the processor seconds."""
import sys
import time

from scapy.all import IP, UDP, VXLAN, Ether, PcapWriter, Raw

count, path = int(sys.argv[1]), sys.argv[2]
start = time.process_time()
with PcapWriter(path, linktype=1) as writer:
    for n in range(count):
        inner = (
            Ether(src="66:8c:73:5a:90:99", dst="66:90:43:3d:b3:e7")
            / IP(src="10.2.36.71", dst="10.2.169.136", ttl=63, id=0, flags="DF")
            / UDP(sport=1024 + n % 10000, dport=53)
            / Raw(bytes(22))
        )
        writer.write(
            Ether(src="52:54:00:85:ff:19", dst="52:54:00:b2:72:8d")
            / IP(src="192.168.33.55", dst="192.168.33.57", ttl=64, id=n & 0xFFFF)
            / UDP(sport=49152 + n % 16384, dport=4789, chksum=0)
            / VXLAN(vni=4096, flags=8)
            / inner
        )
print(time.process_time() - start)
