"""The whole system in virtual time on one loop: simulated devices, real units, real pharmacy, a broker in memory."""

from nebctl_lab.system.plan import SitePlan, SubjectPlan, UnitPlan
from nebctl_lab.system.site import SiteFault, VirtualSite

__all__ = ["SiteFault", "SitePlan", "SubjectPlan", "UnitPlan", "VirtualSite"]
