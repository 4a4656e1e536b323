"""nbgrader's configuration for a class: copy it into the folder of your nbgrader course.

Run nbgrader in the environment in which the course is installed. teaching/grading.md tells every
step, from the list of learners to the table of points.
"""

from classroom.grading import configure

c = get_config()  # noqa: F821 (nbgrader puts it there)
configure(c)  # limits, and submissions tidied before they are graded

c.CourseDirectory.course_id = "steady-frames"
# Where release and collect put notebooks; for submissions by mail or a learning platform unused.
c.Exchange.root = "exchange"

# For each cell, in seconds. A slow machine may need more.
# c.Execute.timeout = 300

# Points lost by handing in late: none, unless a class says so.
# c.AssignLatePenalties.plugin_class = "nbgrader.plugins.latepenalty.LatePenalties"
